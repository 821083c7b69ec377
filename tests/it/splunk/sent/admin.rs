//! The samples of the SER Admin API: a day that is counted again, and relay users one of whom is
//! changed and one removed.

use std::path::PathBuf;

use jiff::Timestamp;
use postrider::app::Outcome;
use serde_json::{Value, json};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{method, path, path_regex},
};

use crate::{
    harness::{Home, hec},
    samples::once_at,
};

fn sample(name: &str) -> Value {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/vendors/ser_admin");
    let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// What the vendor says in a round.
struct Answers {
    failing: Value,
    recipients: Value,
    users: Value,
}

fn answers(round: usize) -> Answers {
    let mut failing = sample("failures_relay_users_p1");
    failing["metadata"]["pagination"]["totalPages"] = json!(1);
    failing["metadata"]["pagination"]["totalItemCount"] = json!(2);
    let (mut recipients, mut users) = (sample("failures_recipient"), sample("relay_users"));
    if round > 0 {
        failing["data"][0]["totalFailedMessages"] = json!(85);
        recipients["data"].as_array_mut().unwrap().pop();
        recipients["metadata"]["pagination"]["totalItemCount"] = json!(1);
        users["data"][0]["status"] = json!("disabled");
        users["data"].as_array_mut().unwrap().pop();
        users["metadata"]["pagination"]["totalItemCount"] = json!(1);
    }
    Answers { failing, recipients, users }
}

async fn server(round: usize) -> MockServer {
    let server = MockServer::start().await;
    let answer = |body: &Value| {
        let answer = ResponseTemplate::new(200).set_body_json(body);
        answer.insert_header("date", "Fri, 27 Nov 2026 23:00:00 GMT")
    };
    let Answers { failing, recipients, users } = answers(round);
    let token = json!({ "access_token": "bearer", "expires_in": 43_200 });
    let mut violations = sample("failures_policy_violations");
    violations["data"][0]["reason"] = json!("not an allowed address");
    let one = "^/v1/failures/relay-users/[^/]+";
    let reports = [
        ("POST", "^/v1/token$".to_owned(), token),
        ("GET", "^/v1/usage/traffic-summary$".to_owned(), sample("traffic_summary")),
        ("POST", "^/v1/usage/message-trend$".to_owned(), sample("message_trend")),
        ("POST", "^/v1/usage/data-trend$".to_owned(), sample("data_trend")),
        ("GET", "^/v2/usage/overview$".to_owned(), sample("overview_v2")),
        ("POST", "^/v1/failures/relay-users$".to_owned(), failing),
        ("POST", format!("{one}/delivery-failures/recipient$"), recipients),
        ("GET", format!("{one}/policy-violations$"), violations),
        ("POST", format!("{one}/message-filtering$"), sample("failures_message_filtering")),
        ("GET", "^/v1/relay-users$".to_owned(), users),
    ];
    for (verb, pattern, body) in reports {
        let mock = Mock::given(method(verb)).and(path_regex(pattern));
        mock.respond_with(answer(&body)).mount(&server).await;
    }
    let mut detail = sample("relay_user_detail");
    detail["data"]["credentialExpirationDate"] = json!("2027-01-31");
    if round > 0 {
        detail["data"]["status"] = json!("disabled");
    }
    let id = detail["data"]["relayUserId"].as_str().unwrap().to_owned();
    let mock = Mock::given(method("GET")).and(path(format!("/v1/relay-users/{id}")));
    mock.respond_with(answer(&detail)).mount(&server).await;
    server
}

/// Collects the samples' day, and again a day later, and delivers to `splunk`.
pub(super) async fn rounds(splunk: &MockServer) {
    let home = Home::new();
    for (round, now) in ["2026-11-21T06:00:00Z", "2026-11-22T06:00:00Z"].into_iter().enumerate() {
        let server = server(round).await;
        let (url, now): (String, Timestamp) = (server.uri(), now.parse().unwrap());
        let source = format!(
            "[sources.ser-admin]\ntype = \"proofpoint_ser_admin\"\nreporting_url = \"{url}\"\n\
             relay_config_url = \"{url}\"\ntoken_url = \"{url}/v1/token\"\nclient_id = \"key\"\n\
             client_secret = \"secret\"\nstart = \"2026-11-20T00:00:00Z\"\n\
             resweep = [{{ after = \"1d\" }}]\ntags = {{ tenant = \"acme\" }}\n\
             rate_limit = {{ per_second = 10000, burst = 1000 }}\n"
        );
        let sink = "compression = \"none\"\nhost = \"collector\"\nindex = \"email\"";
        home.configure(&[source, hec(&splunk.uri(), sink)]);
        assert_eq!(once_at(&home, now).await, Outcome::default());
    }
}
