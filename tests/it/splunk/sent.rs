//! Events as Splunk gets them: every stream, by the whole pipeline, with what Splunk makes of their JSON.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use postrider::app::Outcome;
use serde_json::{Value, json};
use wiremock::{
    Mock, MockServer,
    matchers::{path, path_regex},
};

mod admin;

use crate::{
    harness::{Home, hec},
    samples::{END, START, Vendor, after, answer, once_at, serve},
};

/// An event with the fields that a search sees before props are applied.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) sourcetype: String,
    pub(crate) fields: BTreeMap<String, Vec<String>>,
    /// Fields of the index: Splunk's own and HEC's `fields`.
    pub(crate) indexed: BTreeSet<String>,
}

impl Sent {
    fn new(envelope: &Value) -> Self {
        let mut fields = BTreeMap::new();
        flatten(&envelope["event"], "", &mut fields);
        let mut indexed = BTreeMap::new();
        for own in ["index", "source", "sourcetype", "host"] {
            indexed.insert(own.to_owned(), vec![text(&envelope[own])]);
        }
        indexed.insert("_time".to_owned(), vec![text(&envelope["time"])]);
        for (name, value) in envelope["fields"].as_object().unwrap() {
            indexed.insert(name.clone(), vec![text(value)]);
        }
        let sourcetype = text(&envelope["sourcetype"]);
        fields.extend(indexed.clone());
        Self { sourcetype, fields, indexed: indexed.into_keys().collect() }
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The names of `KV_MODE = json`: `a.b`, `list{}`, `list{}.c`.
fn flatten(value: &Value, name: &str, fields: &mut BTreeMap<String, Vec<String>>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
                flatten(value, &name, fields);
            }
        }
        Value::Array(elements) => {
            for element in elements {
                flatten(element, &format!("{name}{{}}"), fields);
            }
        }
        Value::Null => {}
        leaf => fields.entry(name.to_owned()).or_default().push(text(leaf)),
    }
}

/// All messages of the samples but for these, as the answers of one search.
fn messages(leave_out: &str) -> Vec<Value> {
    let mut files: Vec<_> = std::fs::read_dir(Vendor::Etd.directory())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.ends_with(leave_out) && !name.contains("surrogate"))
        .collect();
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let page: Value = serde_json::from_str(&Vendor::Etd.sample(&file)).unwrap_or_default();
        let messages = page.pointer("/data/messages").and_then(Value::as_array).cloned();
        all.extend(messages.unwrap_or_default());
    }
    assert!(all.len() > 20, "{}", all.len());
    all
}

fn page(messages: &[Value]) -> String {
    json!({"totalSize": messages.len(), "data": {"messages": messages}}).to_string()
}

/// Collects the same slice again and again, hours later, and delivers to `splunk`.
async fn rounds(vendor: Vendor, bodies: &[String], splunk: &MockServer) {
    let home = Home::new();
    let resweeps: Vec<_> =
        (2..=bodies.len()).map(|hours| format!("{{ after = \"{hours}h\" }}")).collect();
    for (round, body) in (1..).zip(bodies) {
        let server = vendor.server("token.json").await;
        serve(vendor, &server, std::slice::from_ref(body)).await;
        let log_export = if vendor == Vendor::Etd { audited(&server).await } else { "" };
        let now: Timestamp = after(round);
        let lag = now.duration_since(END.parse().unwrap()).as_secs();
        // Credentials that expire, and have been renewed by the last round.
        let expire = if usize::try_from(round).unwrap() < bodies.len() { 2 } else { 2000 };
        let extra = format!(
            "start = \"{START}\"\nslice = \"2h\"\nlag = \"{lag}s\"\nresweep = [{}]\n\
             credentials_expire = {}\ntags = {{ tenant = \"acme\" }}\n{log_export}",
            resweeps.join(", "),
            after(24 * expire)
        );
        let sink =
            hec(&splunk.uri(), "compression = \"none\"\nhost = \"collector\"\nindex = \"email\"");
        home.configure(&[vendor.section(&server.uri(), &extra), sink]);
        assert_eq!(once_at(&home, now).await, Outcome::default());
    }
}

/// Serves the log export with the sample of audit lines; what has it read.
async fn audited(server: &MockServer) -> &'static str {
    let file = "/log_date%3D2026-11-20/hour%3D08/audit.jsonl";
    let links =
        json!({"data": {"message": [], "audit": [format!("{}{file}?X-Sig=1", server.uri())]}});
    let links = answer(200, links.to_string());
    Mock::given(path("/v1/logs/downloadLinks")).respond_with(links).mount(server).await;
    let sample = Vendor::Etd.directory().with_file_name("etd_export").join("log_audit.ndjson");
    let lines = answer(200, std::fs::read_to_string(sample).unwrap());
    Mock::given(path_regex("audit.jsonl$")).respond_with(lines).mount(server).await;
    "log_export = true"
}

/// Every message of the samples, changed ones among them, rows that are restated and vanish, the
/// licence, and health events.
pub(crate) async fn all() -> Vec<Sent> {
    let splunk = MockServer::start().await;
    let accepted = answer(200, "{\"text\":\"Success\",\"code\":0}".to_owned());
    Mock::given(path("/services/collector/event")).respond_with(accepted).mount(&splunk).await;
    let before = messages("_after.json");
    let mut after = messages("_before.json");
    // Of those that became threats one is left where it is.
    let retro: Value = serde_json::from_str(&Vendor::Etd.sample("pair_retro_after.json")).unwrap();
    let id = &retro["data"]["messages"][0]["id"];
    for message in after.iter_mut().filter(|message| message["id"] == *id) {
        message.as_object_mut().unwrap().remove("action");
    }
    rounds(Vendor::Etd, &[page(&before), page(&after)], &splunk).await;
    let ser = ["summary_normal.json", "reclassified_1_fresh.json", "reclassified_2_after_1h.json"];
    let mut ser = ser.map(|name| serde_json::from_str::<Value>(&Vendor::Ser.sample(name)).unwrap());
    // A licence that will not last.
    ser[0]["entitlement"]["annual_throughput"] = json!("1GB");
    rounds(Vendor::Ser, &ser.map(|page| page.to_string()), &splunk).await;
    admin::rounds(&splunk).await;
    let mut sent = Vec::new();
    for request in splunk.received_requests().await.unwrap() {
        let envelopes = serde_json::Deserializer::from_slice(&request.body).into_iter::<Value>();
        sent.extend(envelopes.map(|envelope| Sent::new(&envelope.unwrap())));
    }
    sent
}
