//! Answers that are none: never taken for an empty slice, never delivered.

use serde_json::Value;
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{method, path},
};

use crate::{
    check::{assert_settled, part},
    harness::Home,
    records::lines,
    samples::Vendor,
};

/// Runs `once` against such an answer to the data request, or to the token request.
async fn meet(vendor: Vendor, status: u16, body: &str, for_token: bool) -> (i32, Value, String) {
    let server = if for_token {
        let server = MockServer::start().await;
        let answer = ResponseTemplate::new(status).set_body_string(body);
        Mock::given(method("POST")).respond_with(answer).mount(&server).await;
        server
    } else {
        let server = vendor.server("token.json").await;
        let answer = ResponseTemplate::new(status).set_body_string(body);
        Mock::given(path(vendor.data_path())).respond_with(answer).mount(&server).await;
        server
    };
    let home = Home::new();
    // A slice or two.
    let start = if vendor == Vendor::Etd { "30m" } else { "2h" };
    let extra = &format!("start = \"{start}\"");
    home.configure(&[vendor.section(&server.uri(), extra), home.file_sink()]);
    let ended = home.run(&["once", "--patience", "1s"]).await;
    let status = home.status().await;
    assert_eq!(lines(&home).len(), 0, "nothing may be delivered: {body}");
    (ended.status.unwrap(), status, ended.stderr)
}

/// All at once, in one task without tokio's budget: a `MockServer` that is dropped takes a lock
/// of tokio's in a loop that polls and never yields, so that on a spent budget it never ends.
async fn together<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    tokio::task::unconstrained(futures_util::future::join_all(all)).await
}

async fn is_a_gap(vendor: Vendor, name: &str, body: &str) {
    let (exit, status, stderr) = meet(vendor, 200, body, false).await;
    assert_eq!(exit, 1, "{name}: {stderr}");
    let source = part(&status, if vendor == Vendor::Etd { "etd" } else { "ser" });
    assert!(source["open_slices"].as_u64().unwrap() >= 1, "{name}: {source:#}");
    assert!(source["failing_slices"].as_u64().unwrap() >= 1, "{name}: {source:#}");
    let error = source["error"].as_str().unwrap_or_else(|| panic!("{name}: no reason"));
    assert!(error.contains("200, but"), "{name}: {error}");
    assert_eq!(status["spool"]["events"], 0, "{name}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_page_stays_a_gap_with_its_reason() {
    let mut all = Vec::new();
    for name in [
        "not_json.html",
        "truncated.json",
        "text_urlencoded.txt",
        "text_uuencoded.txt",
        "empty_body.txt",
        "error_with_200.json",
    ] {
        let body = Vendor::Ser.sample(name);
        all.push((Vendor::Ser, name, body.clone()));
        all.push((Vendor::Etd, name, body));
    }
    for body in ["null", "[]", "{}", "{\"data\":7}", "{\"data\":{\"messages\":7}}", "\"\""] {
        all.push((Vendor::Etd, body, body.to_owned()));
    }
    let page = Vendor::Etd.sample("page_last.json");
    let half: String = page.chars().take(page.chars().count() / 2).collect();
    all.push((Vendor::Etd, "half a page", half));
    let all = all.iter().map(|(vendor, name, body)| is_a_gap(*vendor, name, body));
    together(all).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_an_empty_page_covers_its_slice() {
    for (vendor, name) in [
        (Vendor::Etd, "page_empty_no_token.json"),
        (Vendor::Etd, "page_empty_token_null.json"),
        (Vendor::Etd, "page_empty_token_blank.json"),
        (Vendor::Etd, "page_data_null.json"),
        (Vendor::Etd, "page_no_data.json"),
        (Vendor::Etd, "page_messages_null.json"),
        (Vendor::Ser, "summary_empty.json"),
        (Vendor::Ser, "summary_users_null.json"),
        (Vendor::Ser, "summary_empty_object.json"),
    ] {
        let (exit, status, stderr) = meet_rows(vendor, name).await;
        assert_eq!(exit, 0, "{name}: {stderr}");
        assert_settled(&status);
    }
}

async fn meet_rows(vendor: Vendor, name: &str) -> (i32, Value, String) {
    let body = vendor.sample(name);
    if body.contains("entitlement") {
        // Rows are missing, the licence is there: looked at by the samples' own test.
        let without = "{\"applicationUsers\":[]}";
        return meet(vendor, 200, without, false).await;
    }
    meet(vendor, 200, &body, false).await
}

/// The vendors' refusals: what `once` says to each, as a table to read.
async fn refusals(vendor: Vendor) -> String {
    let errors: Vec<Value> = serde_json::from_str(&vendor.sample("errors.json")).unwrap();
    // Too large an answer is not refused but asked for in parts.
    let errors = errors.iter().filter(|error| error["name"] != "too_big");
    let met = errors.map(|error| async move {
        let status = u16::try_from(error["status"].as_u64().unwrap()).unwrap();
        let body = error["body"].as_str().map_or_else(|| error["body"].to_string(), str::to_owned);
        let for_token = error["path"].as_str().unwrap().contains("token");
        let (exit, found, stderr) = meet(vendor, status, &body, for_token).await;
        let source = &found["sources"][0];
        assert_ne!(exit, 0, "{error}: {stderr}");
        assert!(stderr.contains("not done: "), "{error}: {stderr}");
        let open = source["open_slices"].as_u64().unwrap();
        let lost = source["lost_slices"].as_u64().unwrap();
        assert_eq!((open > 0, lost), (true, 0), "{error}: a gap: {source:#}");
        let text = source["error"].as_str().unwrap_or("no reason");
        let name = error["name"].as_str().unwrap();
        // After how many tries it counts as failing is not the matter here.
        let state = match source["state"].as_str().unwrap() {
            "behind" | "failing" => "tried again",
            state => state,
        };
        format!("{name}: {state}\n    {text}\n")
    });
    together(met).await.concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_a_gap_that_says_what_to_do() {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"127\.0\.0\.1:\d+", "[VENDOR]");
    settings.add_filter(r"20\d\d-\d\d-\d\dT[\d:.]+Z", "[TIME]");
    let (etd, ser) = (refusals(Vendor::Etd).await, refusals(Vendor::Ser).await);
    settings.bind(|| {
        insta::assert_snapshot!("etd_refusals", etd);
        insta::assert_snapshot!("ser_refusals", ser);
    });
}
