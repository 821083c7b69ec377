use std::sync::Arc;

use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use super::{super::tests::*, *};
use crate::{
    clock::{Clock, ManualClock},
    config::{self, Secret},
    fault::Kind,
    simulator::{Options, RowTruth, Shape, Simulation},
    source::testing::{at, client, pace},
};

const NOW: &str = "2026-11-20T12:34:56.7Z";
const TO: &str = "2026-11-20T12:00:00Z";

fn row(application: &Value, size: &Value) -> Value {
    let status = json!({ "success": 1, "total": 1, "messageSizeTotal": size });
    json!({ "applicationName": application, "applicationUserName": "u", "status": status })
}

fn told(rows: &[Value], entitlement: &Value) -> ResponseTemplate {
    let body = json!({ "applicationUsers": rows, "entitlement": entitlement });
    answer(200, &body.to_string())
}

fn licence(start: &str) -> Value {
    json!({ "annual_throughput": "1 KB", "license_start": start, "license_end": "2027-02-28" })
}

/// The windows that were asked for.
async fn windows(bench: &Bench) -> Vec<(String, String)> {
    let requests = bench.vendor.requests().await;
    let window = requests.iter().map(|request| {
        let mut ends = request.url.query_pairs().map(|(_, value)| value.into_owned());
        (ends.next().unwrap(), ends.next().unwrap())
    });
    window.collect()
}

#[tokio::test]
async fn each_window_is_asked_for_once() {
    let entitlement = licence("2026-03-01");
    let answers = [10, 20, 30, 40, 7].map(|size| {
        told(&[row(&json!("SAP"), &json!(size)), row(&json!(null), &json!("1"))], &entitlement)
    });
    let bench = bench(answers.to_vec()).await;
    let survey = bench.ser.survey(at(NOW)).await.unwrap().unwrap();
    assert_eq!(survey.record.id, "2026-03-01");
    let reading = survey.reading;
    let window = |start| Interval::new(at(start), at(TO)).unwrap();
    let (week, month) = (window("2026-11-13T12:00:00Z"), window("2026-10-21T12:00:00Z"));
    let period = Interval::new(at("2026-03-01T00:00:00Z"), at("2027-03-01T00:00:00Z"));
    assert_eq!((reading.allowed, reading.period, reading.to), (Some(1_000), period, at(TO)));
    assert_eq!(reading.applications, [("SAP".to_owned(), 40), ("-".to_owned(), 1)].into());
    assert_eq!(reading.recent, [(week, 21), (month, 31)]);
    assert_eq!(reading.hours.len(), 24);
    assert_eq!(reading.hours[0], (at("2026-11-19T00:00:00Z"), 8));
    assert_eq!(reading.hours[23], (at("2026-11-19T23:00:00Z"), 8));

    let windows = windows(&bench).await;
    assert_eq!(windows.len(), 28);
    let shown: Vec<_> = windows.iter().map(|(start, end)| format!("{start} {end}")).collect();
    let first = [
        "2026-11-20T11:00:00.000Z 2026-11-20T12:00:00.000Z",
        "2026-11-13T12:00:00.000Z 2026-11-20T12:00:00.000Z",
        "2026-10-21T12:00:00.000Z 2026-11-20T12:00:00.000Z",
        "2026-03-01T00:00:00.000Z 2026-11-20T12:00:00.000Z",
        "2026-11-19T00:00:00.000Z 2026-11-19T01:00:00.000Z",
    ];
    assert_eq!(shown[..5], first);
    assert_eq!(shown[27], "2026-11-19T23:00:00.000Z 2026-11-20T00:00:00.000Z");
    assert_eq!((bench.vendor.tokens(), bench.ser.pace.calls()), (1, 29));
}

#[tokio::test]
async fn a_young_licence_is_not_asked_for_what_was_before_it() {
    let rows = [row(&json!("SAP"), &json!(5))];
    let table = [
        // start, intervals of the last days, calls
        ("2026-11-18T06:30:00.250Z", vec!["2026-11-18T06:30:00.25Z"; 2], 26),
        ("2026-11-10T00:00:00Z", vec!["2026-11-13T12:00:00Z", "2026-11-10T00:00:00Z"], 27),
        (TO, vec![], 25),
        ("2026-12-01T00:00:00Z", vec![], 25),
    ];
    for (start, expected, calls) in table {
        let bench = bench(vec![told(&rows, &licence(start))]).await;
        let reading = bench.ser.survey(at(NOW)).await.unwrap().unwrap().reading;
        let starts: Vec<_> = reading.recent.iter().map(|of| of.0.start().to_string()).collect();
        assert_eq!(starts, expected, "{start}");
        assert_eq!(reading.applications.is_empty(), expected.is_empty(), "{start}");
        assert!(reading.period.is_some());
        assert_eq!(windows(&bench).await.len(), calls, "{start}");
    }
}

#[tokio::test]
async fn without_a_readable_start_the_period_is_not_asked_for() {
    let rows = [row(&json!("SAP"), &json!(5))];
    let entitlement = json!({ "annual_throughput": 500, "license_start": "soon" });
    let bench = bench(vec![told(&rows, &entitlement)]).await;
    let reading = bench.ser.survey(at(NOW)).await.unwrap().unwrap().reading;
    assert_eq!((reading.allowed, reading.period), (None, None));
    assert!(reading.applications.is_empty());
    assert_eq!(reading.recent.iter().map(|(_, bytes)| *bytes).collect::<Vec<_>>(), [5, 5]);
    assert_eq!(windows(&bench).await.len(), 27);
}

#[tokio::test]
async fn without_an_entitlement_there_is_no_survey() {
    for entitlement in [json!(null), json!({}), json!([]), json!("none")] {
        let bench = bench(vec![told(&[], &entitlement)]).await;
        assert!(bench.ser.survey(at(NOW)).await.unwrap().is_none(), "{entitlement}");
        assert_eq!(windows(&bench).await.len(), 1);
    }
}

#[tokio::test]
async fn a_sum_that_lacks_something_is_no_sum() {
    let entitlement = licence("2026-03-01");
    let row = |size: Value| row(&json!("SAP"), &size);
    let silent = json!({ "applicationName": "Other", "status": { "total": 0 } });
    let good = told(&[row(json!(5)), silent, json!({ "applicationName": "New" })], &entitlement);
    let table = [
        (told(&[row(json!("much"))], &entitlement), "a row of SAP has no readable"),
        (told(&[row(json!(null))], &entitlement), "a row of SAP has no readable"),
        (told(&[json!({ "status": "n/a" })], &entitlement), "a row of - has no readable"),
        (told(&[json!({ "status": { "total": 0, "messageSizeTotal": "?" } })], &entitlement), {
            "a row of - has no readable"
        }),
        (told(&[row(json!(5)), json!(7)], &entitlement), "1 of its rows cannot be read"),
        (told(&[row(json!(4))], &entitlement), "for its last days"),
        (told(&[], &entitlement), "for its last days"),
        (answer(200, "<html>"), "not whole JSON"),
        (answer(503, ""), "503"),
    ];
    for (bad, text) in table {
        // In place of the period's sum.
        let bench = bench(vec![good.clone(), good.clone(), good.clone(), bad]).await;
        let fault = bench.ser.survey(at(NOW)).await.unwrap_err();
        // What is understood but lacks something would come so again.
        let again = fault.kind == Kind::Transient { retry_after: None };
        assert_eq!(again, text == "not whole JSON" || text == "503", "{fault}");
        assert!(fault.to_string().contains(text), "{fault}");
        assert_eq!(windows(&bench).await.len(), 4);
    }
    let bench = bench(vec![good]).await;
    let reading = bench.ser.survey(at(NOW)).await.unwrap().unwrap().reading;
    let expected = [("SAP", 5), ("Other", 0), ("New", 0)];
    let expected = expected.map(|(name, bytes)| (name.to_owned(), bytes));
    assert_eq!(reading.applications, expected.into());
}

#[tokio::test]
async fn a_token_that_expires_in_the_middle_is_renewed() {
    let good = told(&[row(&json!("SAP"), &json!(5))], &licence("2026-03-01"));
    let expired = answer(401, r#"{"message":"Unauthorized"}"#);
    let bench = bench(vec![good.clone(), good.clone(), expired, good]).await;
    bench.ser.survey(at(NOW)).await.unwrap().unwrap();
    assert_eq!((bench.vendor.tokens(), windows(&bench).await.len()), (2, 29));
}

/// A vendor whose licence began at `start`, and a driver for it.
async fn simulated(start: &str, shape: Shape) -> (Simulation, ProofpointSer) {
    let clock = Arc::new(ManualClock::at(at(NOW)));
    let mut options = Options { clock: Arc::clone(&clock) as _, ..Options::default() };
    options.ser.license_start = Some(at(start));
    options.ser.shape = shape;
    let simulation = Simulation::start(options).await.unwrap();
    let config = config::ProofpointSer {
        base_url: simulation.ser_url.clone(),
        token_url: format!("{}/v1/token", simulation.ser_url),
        summary_path: "/v1/sercustomer/report/summary".into(),
        client_id: "sim-client".into(),
        client_secret: Secret::plain("sim-secret"),
    };
    let ser = ProofpointSer::new(&config, client(), pace(), clock as Arc<dyn Clock>);
    (simulation, ser)
}

fn bytes(rows: &[RowTruth]) -> i128 {
    rows.iter().map(|row| i128::from(row.message_size_total)).sum()
}

#[tokio::test]
async fn a_survey_is_the_vendors_truth() {
    for start in ["2026-09-10T08:15:00.5Z", "2026-11-16T00:00:00Z"] {
        let (simulation, ser) = simulated(start, Shape::Normal).await;
        let reading = ser.survey(at(NOW)).await.unwrap().unwrap().reading;
        assert_eq!(reading.allowed, Some(536_870_912_000));
        assert_eq!(reading.period.unwrap().start(), at(start));
        let whole = simulation.summary([at(start), at(TO)]);
        assert_eq!(sum(&reading.applications), bytes(&whole));
        for (application, used) in &reading.applications {
            let rows = whole.iter().filter(|row| row.application_name == *application);
            assert_eq!(*used, bytes(&rows.cloned().collect::<Vec<_>>()), "{application}");
        }
        for (window, used) in &reading.recent {
            let truth = simulation.summary([window.start(), window.end()]);
            assert_eq!(*used, bytes(&truth), "{window}");
        }
        let hours = reading.hours.iter().map(|(_, bytes)| *bytes).sum::<i128>();
        let day = [at("2026-11-19T00:00:00Z"), at("2026-11-20T00:00:00Z")];
        assert_eq!(hours, bytes(&simulation.summary(day)));
        assert!(hours > 0);
        simulation.stop().await;
    }
}

#[tokio::test]
async fn each_shape_gives_the_same_survey() {
    let expected = {
        let (_simulation, ser) = simulated("2026-11-01T00:00:00Z", Shape::Normal).await;
        ser.survey(at(NOW)).await.unwrap().unwrap().reading
    };
    for shape in [
        Shape::Flat,
        Shape::Wrapped,
        Shape::Keyed,
        Shape::Strings,
        Shape::Case,
        Shape::DetailsInStatus,
        Shape::EntitlementList,
        Shape::InString,
        Shape::Bom,
        Shape::UnknownMembers,
    ] {
        let (_simulation, ser) = simulated("2026-11-01T00:00:00Z", shape).await;
        let reading = ser.survey(at(NOW)).await.unwrap().unwrap().reading;
        assert_eq!(reading, expected, "{shape:?}");
    }
    for shape in [Shape::BareList, Shape::EntitlementNull, Shape::NoEntitlement] {
        let (_simulation, ser) = simulated("2026-11-01T00:00:00Z", shape).await;
        assert!(ser.survey(at(NOW)).await.unwrap().is_none(), "{shape:?}");
    }
}

#[tokio::test]
async fn a_fault_costs_none_of_what_was_answered_before_it() {
    let entitlement = licence("2026-03-01");
    let good = || told(&[row(&json!("SAP"), &json!(5))], &entitlement);
    let bench = bench(vec![good(), good(), good(), answer(503, "busy"), good()]).await;
    bench.ser.survey(at(NOW)).await.unwrap_err();
    let survey = bench.ser.survey(at(NOW)).await.unwrap().unwrap();
    assert_eq!(survey.reading.hours.len(), 24);
    // The failed one and the first, which brings the entitlement, were asked for twice.
    assert_eq!(windows(&bench).await.len(), 28 + 2);
}
