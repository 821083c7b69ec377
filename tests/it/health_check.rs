//! `postrider health`, as a container's engine runs it.

use std::net::TcpListener;

use crate::harness::{Ended, Home, etd, hec, plain, simulate, until};

/// A home whose daemon listens on every address at `port`, with a token.
fn configured(etd_url: &str, hec_url: &str) -> (Home, u16) {
    let home = Home::new();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    home.configure(&[
        etd(etd_url, "schedule = { every = \"1s\" }\nlag = \"6m\""),
        hec(hec_url, ""),
        home.file_sink(),
    ]);
    let token = home.secret("admin-token", "an-admin-token");
    let listen = format!("listen = \"0.0.0.0:{port}\"\ntoken = {token}");
    let text = home.read("postrider.toml").replace("listen = \"127.0.0.1:0\"", &listen);
    std::fs::write(home.path("postrider.toml"), text).unwrap();
    (home, port)
}

/// Asks with an environment whose proxy answers nothing.
async fn health(home: &Home, args: &[&str]) -> Ended {
    let mut command = home.command(&["health"]);
    command.args(args).env("HTTP_PROXY", "http://127.0.0.1:9");
    let output = command.output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    Ended { status: output.status.code(), stdout, stderr }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_that_lives_is_well_and_ready_while_everything_works() {
    let simulation = simulate(plain(100)).await;
    let (home, port) = configured(&simulation.etd_url, &simulation.hec_url);
    let none = health(&home, &[]).await;
    assert_eq!(none.status, Some(1));
    let words = format!("no daemon answers at admin.listen, 127.0.0.1:{port}");
    assert!(none.stderr.contains(&words), "{}", none.stderr);

    let _process = home.start(&["run"]);
    home.logged("the status page and metrics are there").await;
    let well = health(&home, &[]).await;
    assert_eq!((well.status, well.stdout.as_str()), (Some(0), "ok\n"), "{}", well.stderr);
    until("everything arrives", || {
        (home.read("events.jsonl").lines().count() >= 100).then_some(())
    })
    .await;
    let ready = health(&home, &["--ready"]).await;
    assert_eq!((ready.status, ready.stdout.as_str()), (Some(0), "ready\n"), "{}", ready.stderr);

    home.secret("admin-token", "");
    let empty = health(&home, &["--ready"]).await;
    // The configuration cannot be used: 1 all the same, since engines reserve 2.
    assert_eq!(empty.status, Some(1));
    assert!(empty.stderr.contains("admin-token is empty"), "{}", empty.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_that_cannot_work_is_a_reason_not_to_be_ready_and_the_process_lives() {
    let simulation = simulate(plain(20)).await;
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (home, _) = configured(&simulation.etd_url, &format!("http://{closed}"));
    let _process = home.start(&["run"]);
    home.logged("the status page and metrics are there").await;
    let not_ready = loop {
        let asked = health(&home, &["--ready"]).await;
        if asked.status == Some(1) {
            break asked;
        }
    };
    assert!(not_ready.stderr.contains("splunk"), "{}", not_ready.stderr);
    assert_eq!(health(&home, &[]).await.status, Some(0));
}

#[tokio::test]
async fn a_daemon_that_may_be_anywhere_is_not_asked() {
    let home = Home::new();
    home.configure(&[etd("http://127.0.0.1:9", ""), home.file_sink()]);
    let asked = health(&home, &[]).await;
    assert_eq!(asked.status, Some(1));
    assert!(asked.stderr.contains("name a port"), "{}", asked.stderr);
}
