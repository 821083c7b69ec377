//! What goes to which sink.

use std::collections::BTreeSet;

use crate::{
    check::assert_settled,
    harness::{Home, etd, plain, ser, simulate},
    records::{Line, lines},
};

fn sink(home: &Home, name: &str, filter: &str) -> String {
    let path = home.path(&format!("{name}.jsonl"));
    format!("[sinks.{name}]\ntype = \"file\"\npath = {path:?}\nrotation = \"never\"\n{filter}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_sink_gets_what_its_filters_name_and_nothing_else() {
    let simulation = simulate(plain(2_000)).await;
    let home = Home::new();
    home.configure(&[
        etd(&simulation.etd_url, ""),
        ser(&simulation.ser_url, "lag = \"2h\""),
        home.file_sink(),
        sink(&home, "from-ser", "sources = [\"ser\"]"),
        sink(&home, "rows", "streams = [\"summary\"]"),
        sink(&home, "threats", "verdicts = [\"phishing\", \"malicious\"]"),
        sink(&home, "mail-threats", "streams = [\"messages\"]\nverdicts = [\"phishing\"]"),
        sink(&home, "all-is-well", "streams = [\"health\"]"),
    ]);
    home.once().await;
    let all = lines(&home);
    let wanted = |of: &dyn Fn(&Line) -> bool| {
        all.iter().filter(|line| of(line)).map(|line| line.text.clone()).collect::<BTreeSet<_>>()
    };
    let is_health = |line: &str| line.contains("\"stream\":\"health\"");
    let both = |name: &str| {
        let text = home.read(&format!("{name}.jsonl"));
        let count = text.lines().count();
        let lines: BTreeSet<_> = text.lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), count, "{name}: no line twice");
        let (health, records) = lines.into_iter().partition(|line| is_health(line));
        (records, health)
    };
    let got = |name: &str| -> BTreeSet<String> { both(name).0 };
    let verdict = |line: &Line, of: &[&str]| {
        of.contains(&line.json["verdict"]["latestVerdict"].as_str().unwrap_or_default())
    };
    let is_message = |line: &Line| line.stream() == "messages";

    assert!(all.iter().any(|line| line.stream() == "entitlement"));
    assert_eq!(got("from-ser"), wanted(&|line| !is_message(line)));
    assert_eq!(got("rows"), wanted(&|line| line.stream() == "summary"));
    let threats = wanted(&|line| !is_message(line) || verdict(line, &["phishing", "malicious"]));
    assert_eq!(got("threats"), threats);
    let mail = wanted(&|line| is_message(line) && verdict(line, &["phishing"]));
    assert!(mail.len() > 5, "{}", mail.len());
    assert_eq!(got("mail-threats"), mail);
    // What the collector says of itself is another stream, which verdicts do not hold up.
    let (none, health) = both("all-is-well");
    assert_eq!((none.len(), &health), (0, &both("events").1));
    for (name, of) in [("from-ser", "ser"), ("threats", "")] {
        let source = format!("\"source\":\"{of}");
        let wanted = health.iter().filter(|line| line.contains(&source));
        assert_eq!(both(name).1, wanted.cloned().collect(), "{name}");
    }
    assert_eq!((both("rows").1.len(), both("mail-threats").1.len()), (0, 0));
    // What a sink does not want does not wait for it.
    assert_settled(&home.status().await);
}
