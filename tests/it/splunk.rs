//! The Splunk add-on against events as they are sent: what it promises is there, and what its searches
//! and dashboards ask for.

use crate::splunk::{
    add_on::{AddOn, DASHBOARDS},
    conf::{add_on, read},
    sent::Sent,
};

mod add_on;
mod conf;
pub(crate) mod sent;
mod spl;

const MESSAGE: &str = "cisco:etd:message";

async fn loaded() -> AddOn {
    AddOn::load(sent::all().await)
}

fn verdicts(event: &Sent) -> impl Iterator<Item = String> {
    let names = ["verdict.latestVerdict", "verdict.verdict", "verdict.originalVerdict"];
    let of = |name| event.fields.get(name).into_iter().flatten();
    names.into_iter().flat_map(of).map(|word| word.to_lowercase()).filter(|word| !word.is_empty())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_field_that_the_splunk_add_on_promises_or_uses_is_in_the_events() {
    let mut add_on = loaded().await;
    assert_eq!(add_on.problems(), Vec::<String>::new());

    // So that this test cannot pass for nothing: one letter too few, everywhere in turn.
    let misspelt = |add_on: &AddOn, word: &str| {
        let problems = add_on.problems();
        let found = problems.iter().any(|problem| problem.contains(word));
        assert!(found, "{word} was not missed: {problems:?}");
    };
    let props = add_on.props.clone();
    let message = |add_on: &mut AddOn, key: &str, value: &str| {
        add_on.props.get_mut(MESSAGE).unwrap().insert(key.to_owned(), value.to_owned());
    };
    message(&mut add_on, "EVAL-subject2", "'subjct'");
    misspelt(&add_on, "subjct");
    message(&mut add_on, "EVAL-subject2", "lower(coalesce('subject', verdct.latestVerdict))");
    misspelt(&add_on, "verdct.latestVerdict");
    message(&mut add_on, "LOOKUP-verdict", "postrider_verdicts verdict OUTPUT is_threat severty");
    misspelt(&add_on, "severty");
    message(&mut add_on, "LOOKUP-verdict", "postrider_verdicts verdit OUTPUT is_threat");
    misspelt(&add_on, "verdit");
    message(&mut add_on, "TIME_PREFIX", "\"collected\":\"");
    misspelt(&add_on, "TIME_PREFIX");
    add_on.props = props;
    for (search, word) in [
        ("`etd_messages` is_thread=\"true\"", "is_thread"),
        ("`etd_messages` is_threat=\"yes\"", "is_threat=yes"),
        ("`etd_messages` | stats dc(recipent) as n by src_user | table n src_user", "recipent"),
        ("`etd_messages` | stats count by verdict | table verdict action", "action"),
        ("`ser_summary` | where source=\"x\" AND is_threat=\"true\"", "is_threat"),
        ("| tstats count where `postrider_index` sourcetype=\"postrider:health\" by kind", "kind"),
        ("`ser_summary` | eval share=failed/messages", "failed"),
    ] {
        add_on.searches.insert("misspelt".to_owned(), search.to_owned());
        misspelt(&add_on, word);
    }
    add_on.searches.remove("misspelt");
    let dashboard = read(DASHBOARDS[0]).replace("by verdict", "by verdct");
    add_on.dashboards.push(("misspelt".to_owned(), dashboard));
    misspelt(&add_on, "verdct");
    add_on.dashboards.pop();
    add_on.eventtypes.insert("misspelt".to_owned(), "sourcetype=\"cisco:etd:mesage\"".to_owned());
    misspelt(&add_on, "cisco:etd:mesage");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn splunk_s_lookups_cover_what_the_vendor_says() {
    let add_on = loaded().await;
    let messages = || add_on.sent.iter().filter(|event| event.sourcetype == MESSAGE);
    let table = add_on.table("postrider_verdicts");
    // A word that the samples invent: it must not be taken for any other.
    let unknown = "quishing";
    assert!(messages().any(|event| verdicts(event).any(|word| word == unknown)));
    assert_eq!(add_on.transforms["postrider_verdicts"]["default_match"], "unknown");
    // As the vendor's documentation has them; `empty` stands for none.
    let documented = "bec scam phishing malicious spam graymail neutral noverdict empty".split(' ');
    let sent = messages().flat_map(verdicts).filter(|word| word != unknown);
    for word in sent.chain(documented.map(str::to_owned)) {
        let of = |column| table.find("verdict", &word, column);
        let severity = of("severity").unwrap_or_else(|| panic!("the verdict {word} is not there"));
        assert!(["critical", "high", "low", "informational"].contains(&severity), "{word}");
        let threat = ["bec", "scam", "phishing", "malicious"].contains(&word.as_str());
        assert_eq!(of("is_threat"), Some(if threat { "true" } else { "false" }), "{word}");
    }
    let table = add_on.table("postrider_actions");
    let documented = [
        ("none", "delivered"),
        ("delete", "deleted"),
        ("move to junkemail", "delivered"),
        ("move to quarantine", "quarantined"),
        ("move to deleteditems", "deleted"),
        ("move to trash", "deleted"),
        ("move to inbox", "delivered"),
    ];
    for (done, action) in documented {
        assert_eq!(table.find("etd_action", done, "action"), Some(action), "{done}");
    }
    for event in messages() {
        for done in add_on.values(event, "etd_action") {
            assert!(table.find("etd_action", &done, "action").is_some(), "{done} is not there");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_splunk_add_on_has_what_it_should() {
    let add_on = loaded().await;
    let expected = [
        "cisco:etd:audit",
        MESSAGE,
        "postrider:health",
        "proofpoint:ser:entitlement",
        "proofpoint:ser:failure",
        "proofpoint:ser:relay_user",
        "proofpoint:ser:summary",
        "proofpoint:ser:usage",
    ];
    assert_eq!(add_on.props.keys().collect::<Vec<_>>(), expected);
    for sourcetype in expected {
        let indexed = format!("sourcetype::{sourcetype}::event_id");
        assert_eq!(conf::conf("fields")[&indexed]["INDEXED"], "true");
        let sent = add_on.sent.iter().filter(|event| event.sourcetype == sourcetype);
        assert!(sent.clone().count() > 0, "{sourcetype}");
        assert!(sent.clone().all(|event| event.indexed.contains("event_id")), "{sourcetype}");
    }
    assert_eq!(add_on.macros["postrider_dedup"], "dedup event_id");
    let names = [
        "Threat verdict on a delivered message",
        "SER throughput runs out before the licence ends",
        "Collector silent",
        "Credentials expiring",
    ];
    for name in names {
        assert!(add_on.searches.contains_key(&format!("Postrider - {name}")), "{name}");
    }
    let nav = read("default/data/ui/nav/default.xml");
    for dashboard in DASHBOARDS {
        let name = dashboard.rsplit('/').next().unwrap().trim_end_matches(".xml");
        assert!(nav.contains(name), "{name} cannot be reached");
    }
    let tagged = |eventtype: &str| {
        let tags = &conf::conf("tags")[&format!("eventtype={eventtype}")];
        tags.keys().cloned().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(tagged("postrider_etd_message"), "delivery email filter");
    assert_eq!(tagged("postrider_etd_threat"), "alert");
    assert_eq!(tagged("postrider_ser_relay_user_deleted"), "account change");
    assert!(add_on_files_are_known());
}

/// What the tests here do not read would be promised by nobody's word.
fn add_on_files_are_known() -> bool {
    let known =
        ["app", "eventtypes", "fields", "macros", "props", "savedsearches", "tags", "transforms"];
    let known = known.map(|name| format!("{name}.conf"));
    let files = std::fs::read_dir(add_on().join("default")).unwrap();
    files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .all(|name| name == "data" || known.contains(&name))
}
