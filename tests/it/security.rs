//! Who is trusted, what may be seen, and what a hostile peer can make a terminal or a log show.

use std::{fmt::Write as _, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinSet,
};

use crate::{
    check::part,
    harness::{Ended, Home, etd, hec, plain, ser, simulate},
    hostile::{Hostile, request, response},
    pki::{Identity, Pki},
    tls_server::tls_server,
};

/// Ends each connection after the handshake, without TLS's goodbye.
async fn closing(pki: &Pki, identity: &Identity) -> (u16, JoinSet<()>) {
    let acceptor = pki.acceptor(identity, false);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            drop(acceptor.accept(tcp).await);
        }
    });
    (port, tasks)
}

/// The sections of a vendor, a HEC and a syslog receiver at one TLS port.
fn all_kinds(port: u16, tls: &str) -> Vec<String> {
    let url = format!("https://localhost:{port}");
    vec![
        etd(&url, &format!("timeout = \"2s\"\ntls = {tls}")),
        hec(&url, &format!("timeout = \"2s\"\ntls = {tls}")),
        format!(
            "[sinks.siem]\ntype = \"syslog\"\ntransport = \"tls\"\ntimeout = \"2s\"\n\
             address = \"localhost:{port}\"\ntls = {tls}"
        ),
    ]
}

/// What `check` finds at a port, by kind of peer.
async fn found(port: u16, tls: &str) -> String {
    let home = Home::new();
    home.configure(&all_kinds(port, tls));
    let ended = home.run(&["check", "--output", "json"]).await;
    assert_eq!(ended.status, Some(1), "{}{}", ended.stdout, ended.stderr);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    let mut text = String::new();
    for trial in report["tried"].as_array().unwrap() {
        let what = trial["what"].as_str().unwrap();
        if what.starts_with("sources.") || what.starts_with("sinks.") {
            assert_eq!(trial["well"], false, "{trial}");
            let part = |name: &str| trial[name].as_str().unwrap();
            writeln!(text, "  {what}: {}; mend: {}", part("found"), part("cure")).unwrap();
        }
    }
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_bad_certificate_is_refused_with_what_to_do() {
    let (pki, foreign, anew) = (Pki::new(), Pki::named("another authority"), Pki::new());
    let here = &["localhost"][..];
    let trusting = format!("ca_file = {:?}", pki.ca_file());
    let client = foreign.issue("client", &["postrider"], false);
    let wrong =
        format!("{trusting}, client_cert = {:?}, client_key = {:?}", client.cert, client.key);
    let cases = [
        ("expired", &pki, pki.issue_for("old", here, [2024, 2025]), false, &trusting),
        ("not yet valid", &pki, pki.issue_for("new", here, [2090, 2099]), false, &trusting),
        ("for another name", &pki, pki.issue("other", &["a.example.com"], false), false, &trusting),
        ("of a foreign authority", &foreign, foreign.issue("f", here, false), false, &trusting),
        ("of an authority made anew", &anew, anew.issue("a", here, false), false, &trusting),
        ("signed by itself", &pki, pki.self_signed("self", here), false, &trusting),
        ("wants a client certificate", &pki, pki.issue("m1", here, false), true, &trusting),
        ("gets a wrong client certificate", &pki, pki.issue("m2", here, false), true, &wrong),
    ];
    let mut all = String::new();
    for (case, authority, identity, wants_client, tls) in cases {
        let (port, _server) = tls_server(authority, &identity, wants_client).await;
        let found = found(port, &format!("{{ {tls} }}")).await;
        write!(all, "{case}\n{found}").unwrap();
    }
    // What a server says that speaks TLS 1.1 at most, as `openssl s_server -tls1_1` does.
    let old = Hostile::raw(|mut tcp| async move {
        tcp.read_u8().await?;
        tcp.write_all(&[0x15, 3, 2, 0, 2, 2, 70]).await?;
        tcp.shutdown().await
    })
    .await;
    let port = old.url.rsplit(':').next().unwrap().parse().unwrap();
    let found = found(port, &format!("{{ {trusting} }}")).await;
    write!(all, "TLS 1.1 at most\n{found}").unwrap();
    let (port, _server) = closing(&pki, &pki.issue("c", here, false)).await;
    let found = self::found(port, &format!("{{ {trusting} }}")).await;
    // How it ends is a matter of time: by its close or by the reset of what was on the way.
    assert_eq!(found.matches("localhost:").count(), 3, "{found}");
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"localhost:\d+", "[PEER]");
    settings.bind(|| insta::assert_snapshot!("certificates", all));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn renewed_certificates_count_after_sighup() {
    let (pki, foreign) = (Pki::new(), Pki::new());
    let server = pki.issue("server", &["localhost"], false);
    let (port, _server) = tls_server(&pki, &server, true).await;
    let old = foreign.issue("client", &["postrider"], false);
    let tls = format!(
        "{{ ca_file = {:?}, client_cert = {:?}, client_key = {:?} }}",
        pki.ca_file(),
        old.cert,
        old.key
    );
    let simulation = simulate(plain(20)).await;
    let home = Home::new();
    let siem = all_kinds(port, &tls).pop().unwrap();
    home.configure(&[etd(&simulation.etd_url, ""), siem]);
    let process = home.start(&["run"]);
    let held = home.status_when("refused", |s| part(s, "siem")["state"] == "auth_failed").await;
    let error = part(&held, "siem")["error"].as_str().unwrap();
    assert!(error.contains("refuses our client certificate"), "{error}");
    let new = pki.issue("client", &["postrider"], false);
    std::fs::copy(&new.cert, &old.cert).unwrap();
    std::fs::copy(&new.key, &old.key).unwrap();
    process.signal("HUP");
    // Its own failing is told to it, too.
    let all = |status: &Value| part(status, "siem")["delivered"].as_u64() > Some(20);
    home.status_when("delivered", all).await;
    process.signal("TERM");
    assert_eq!(process.ended().await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_does_not_follow_a_sinks_redirect() {
    let other = Hostile::raw(|_| async { Ok(()) }).await;
    let location = format!("location: {}/services/collector/event\r\n", other.url);
    let bytes =
        format!("HTTP/1.1 307 T\r\n{location}content-length: 0\r\nconnection: close\r\n\r\n");
    let redirects = Hostile::saying(bytes).await;
    let simulation = simulate(plain(20)).await;
    let home = Home::new();
    home.configure(&[etd(&simulation.etd_url, ""), hec(&redirects.url, "")]);
    let ended = home.run(&["once", "--patience", "1s"]).await;
    assert_eq!(ended.status, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("redirects are not followed"), "{}", ended.stderr);
    assert!(redirects.calls() > 0);
    assert_eq!(other.calls(), 0, "nobody connected to the other host");
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_is_its_owners_alone() {
    let simulation = simulate(plain(20)).await;
    let home = Home::new();
    home.configure(&[etd(&simulation.etd_url, ""), home.file_sink()]);
    home.once().await;
    assert_eq!(mode(&home.path("state")), 0o700);
    let database = home.path("state/postrider.db");
    // As a copy or a restored backup would have it.
    std::fs::set_permissions(&database, PermissionsExt::from_mode(0o644)).unwrap();
    std::fs::set_permissions(home.path("state"), PermissionsExt::from_mode(0o755)).unwrap();
    let process = home.start(&["run"]);
    home.logged("postrider runs").await;
    home.status_when("a log of its own", |_| home.path("state/postrider.db-wal").exists()).await;
    for entry in std::fs::read_dir(home.path("state")).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    process.signal("TERM");
    assert_eq!(process.ended().await, Some(0));
    let ended = home.run(&["check"]).await;
    assert!(ended.stdout.contains("chmod 700"), "{}", ended.stdout);
}

const CLIENT: &str = "Zk7theClientSecret";
const KEY: &str = "Qx9theApiKey";
const RELAY: &str = "Wv3theRelaySecret";
const HEC: &str = "0badcafe-1111-4222-8333-5ec2e7000000";
const ACCESS: &str = "Tt4theAccessToken";
const PROXY: &str = "Pp8theProxyPassword";
/// Also of the libraries that are quiet by default.
const TRACE: &str = "trace,hyper=trace,hyper_util=trace,reqwest=trace,h2=trace,rustls=trace";

/// Answers with all that it was sent: `status`, and the request between `around`.
async fn echo(status: u16, around: [&'static str; 2], gives_token: bool) -> Hostile {
    Hostile::raw(move |mut tcp| async move {
        let asked = request(&mut tcp).await?;
        if gives_token && asked.head.contains("/token http") {
            let token = format!("{{\"accessToken\":\"{ACCESS}\",\"access_token\":\"{ACCESS}\"}}");
            tcp.write_all(&response("", token.as_bytes())).await?;
            return tcp.shutdown().await;
        }
        // Header names as they came; a JSON text has no raw line breaks.
        let said: String =
            asked.raw.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let said = said.replace('"', "'");
        let body = format!("{}{said}{}", around[0], around[1]);
        let answer = String::from_utf8(response("", body.as_bytes())).unwrap();
        tcp.write_all(answer.replacen("200 OK", &format!("{status} X"), 1).as_bytes()).await?;
        tcp.shutdown().await
    })
    .await
}

/// What must be nowhere: secrets, as they are and as Basic authorization has them.
struct Secrets(Vec<String>);

impl Secrets {
    fn new(key: &str) -> Self {
        let encoded = |user: &str, secret: &str| {
            use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
            let mut whole = STANDARD_NO_PAD.encode(format!("{user}:{secret}"));
            // The last group depends on what follows.
            whole.truncate(whole.len() / 4 * 4);
            whole
        };
        let forms = [CLIENT, KEY, RELAY, HEC, ACCESS, PROXY, key].map(str::to_owned);
        let basic = [CLIENT, RELAY].map(|secret| encoded("sim-client", secret));
        Self(forms.into_iter().chain(basic).chain([encoded("user", PROXY)]).collect())
    }

    fn assert_not_in(&self, place: &str, bytes: &[u8]) {
        for secret in &self.0 {
            if let Some(at) = memchr::memmem::find(bytes, secret.as_bytes()) {
                let near = &bytes[at.saturating_sub(400)..(at + 60).min(bytes.len())];
                panic!("{secret} is in {place}: {}", String::from_utf8_lossy(near));
            }
        }
    }

    fn assert_not_below(&self, directory: &Path) {
        for entry in std::fs::read_dir(directory).into_iter().flatten() {
            let path = entry.unwrap().path();
            // Gone between the two: a log of the store that was written back.
            let bytes = std::fs::read(&path).unwrap_or_default();
            self.assert_not_in(&path.display().to_string(), &bytes);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_leaves_whatever_echoes_it() {
    let pki = Pki::new();
    let own = pki.issue("client", &["postrider"], false);
    let key = std::fs::read_to_string(&own.key).unwrap();
    let key = key.lines().nth(1).unwrap().to_owned();
    let secrets = Secrets::new(&key);
    let mut hidden = Vec::new();
    let json = ["{\"text\":\"", "\",\"code\":4,\"message\":\"no\"}"];
    let html = ["<html><body>", "</body></html>"];
    for (status, around, gives_token) in [
        (401, json, true),
        (401, html, false),
        (400, json, false),
        (400, json, true),
        (403, ["you sent ", ""], true),
        (500, html, true),
        (200, ["not JSON: ", ""], true),
        (200, ["not JSON: ", ""], false),
        (407, html, false),
    ] {
        let echo = echo(status, around, gives_token).await;
        let home = Home::new();
        let proxy = echo.url.replace("http://", &format!("http://user:{PROXY}@"));
        let tls = format!("tls = {{ client_cert = {:?}, client_key = {:?} }}", own.cert, own.key);
        let vendor = |secret: &str, more: &str| {
            format!(
                "client_secret = {}\ntimeout = \"2s\"\nstart = \"30m\"\n{more}",
                home.secret(secret, secret)
            )
        };
        let more = format!("api_key = {}\n{tls}", home.secret("key", KEY));
        let proxied = format!("proxy = {proxy:?}\nallow_plain_http = true");
        home.configure_with(
            TRACE,
            &[
                etd(&echo.url, &vendor(CLIENT, &more)),
                ser("http://ser.example.com", &vendor(RELAY, &proxied)),
                // One that works, so that there is something to deliver.
                hec(&echo.url, &format!("token = {}", home.secret("hec", HEC))),
                home.file_sink(),
            ],
        );
        let mut process = home.start(&["once", "--patience", "5s"]);
        let pid = process.pid();
        crate::harness::until("the end of once", || {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            secrets.assert_not_in("the process list", &line);
            secrets.assert_not_below(&home.path("state"));
            (!process.is_running()).then_some(())
        })
        .await;
        let commands: [&[&str]; 5] = [
            &["check"],
            &["check", "--output", "json"],
            &["status"],
            &["status", "--output", "json"],
            &["coverage"],
        ];
        for command in commands {
            let Ended { stdout, stderr, .. } = home.run(command).await;
            secrets.assert_not_in(command[0], (stdout + &stderr).as_bytes());
        }
        for file in ["stderr.log", "stdout.log", "events.jsonl"] {
            secrets.assert_not_in(file, home.read(file).as_bytes());
        }
        secrets.assert_not_below(&home.path("state"));
        let log = home.read("stderr.log");
        assert!(log.contains("TRACE"), "the level took effect");
        // Of whom an echo was told, with something else in the secret's place.
        let whose =
            ["/v1/messages/search", "/oauth/token", "/services/collector", "/report/summary"];
        let told =
            |part: &&str| log.lines().any(|line| line.contains("[secret]") && line.contains(*part));
        hidden.extend(whose.into_iter().filter(told));
    }
    println!("echoes told without their secrets: {hidden:?}");
    // Whether the collector was sent anything depends on when the health events came.
    assert!(hidden.contains(&"/v1/messages/search"));
}

/// A line that would pass for one of the log, and what clears a screen, retitles a window and turns
/// the reading order.
const FORGED: &str = "2026-01-01T00:00:00Z  INFO forged: all is well";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_peer_says_forges_no_line_and_commands_no_terminal() {
    let wild = format!("x\r\n{FORGED}\n\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}evil\u{2028}");
    let quoted = serde_json::to_string(&wild).unwrap();
    let time = crate::harness::ago(25 * 60);
    let messages = [
        format!("{{\"internetMessageId\":{quoted},\"timestamp\":{quoted},\"subject\":{quoted}}}"),
        format!("{{\"id\":{quoted},\"timestamp\":\"{time}\",\"postrider\":{quoted},{quoted}:1}}"),
        quoted.clone(),
    ];
    let page = format!("{{\"data\":{{\"messages\":[{}]}}}}", messages.join(","));
    let rows = format!(
        "{{\"applicationUsers\":[{{\"applicationUserName\":{quoted},\"status\":{{{quoted}:\"x\",\"total\":{quoted}}}}},{quoted}]}}"
    );
    let code = format!("{{\"text\":{quoted},\"code\":4}}");
    let refusal = |text: &str| {
        let answer = String::from_utf8(response("", text.as_bytes())).unwrap();
        answer.replacen("200 OK", "400 X", 1).into_bytes()
    };
    for (vendor, relay) in [
        (response("", page.as_bytes()), response("", rows.as_bytes())),
        (refusal(&wild), refusal(&wild)),
        (refusal(&format!("{{\"message\":{quoted}}}")), response("", wild.as_bytes())),
    ] {
        let (vendor, relay) = (Hostile::saying(vendor).await, Hostile::saying(relay).await);
        let splunk: Arc<[u8]> = refusal(&code).into();
        let splunk = Hostile::raw(move |mut tcp| {
            let splunk = splunk.clone();
            async move {
                request(&mut tcp).await?;
                tcp.write_all(&splunk).await?;
                tcp.shutdown().await
            }
        })
        .await;
        let home = Home::new();
        home.configure(&[
            etd(&vendor.url, "start = \"30m\"\nlag = \"20m\""),
            ser(&relay.url, "start = \"2h\""),
            hec(&splunk.url, ""),
            home.file_sink(),
        ]);
        let mut said = Vec::new();
        let commands: [&[&str]; 5] =
            [&["once", "--patience", "1s"], &["status"], &["coverage"], &["check"], &["plan"]];
        for command in commands {
            let Ended { stdout, stderr, .. } = home.run(command).await;
            said.push(stdout + &stderr);
        }
        for text in said {
            let bad = |c: char| c != '\n' && c.is_control() || matches!(c, '\u{2028}' | '\u{202e}');
            assert!(!text.contains(bad), "{text:?}");
            assert!(!text.lines().any(|line| line.starts_with(FORGED)), "{text}");
        }
    }
}
