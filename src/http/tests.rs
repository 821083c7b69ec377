use std::{path::Path, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinSet,
};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{header, method, path},
};

use super::*;
use crate::{
    config::{Http, Tls},
    fault::Kind,
    sink::tests::pki::{Identity, Pki},
};

fn settings(tls: Tls) -> Http {
    Http { tls, proxy: None, timeout: Duration::from_secs(5) }
}

fn trusting(pki: &Pki) -> Tls {
    Tls { ca_file: Some(pki.ca_file()), ..Tls::default() }
}

async fn get(settings: &Http, url: &str) -> Result<Bytes, Fault> {
    let response = {
        let client = client(settings).unwrap();
        client.send(client.get(url)).await?
    };
    body_capped(response, 1000).await
}

/// Answers "hello" over TLS on a port of this machine until the set is dropped.
async fn https(pki: &Pki, identity: &Identity, wants_client: bool) -> (u16, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = pki.acceptor(identity, wants_client);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(tcp).await else { continue };
            if stream.read(&mut [0; 4096]).await.is_ok() {
                let answer =
                    b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello";
                if stream.write_all(answer).await.is_ok() {
                    stream.shutdown().await.ok();
                }
            }
        }
    });
    (port, tasks)
}

#[tokio::test]
async fn an_own_authority_is_trusted_and_only_then() {
    let pki = Pki::new();
    let server = pki.issue("server", &["localhost"], false);
    let (port, _tasks) = https(&pki, &server, false).await;
    let url = format!("https://localhost:{port}/");
    assert_eq!(get(&settings(trusting(&pki)), &url).await.unwrap(), "hello");
    let fault = get(&settings(Tls::default()), &url).await.unwrap_err();
    assert_eq!(fault.kind, Kind::Auth);
    assert!(fault.to_string().contains("set tls.ca_file"), "{fault}");
}

#[tokio::test]
async fn expired_and_misnamed_certificates_are_refused() {
    let pki = Pki::new();
    let expired = pki.issue("expired", &["localhost"], true);
    let (port, _expired) = https(&pki, &expired, false).await;
    let fault =
        get(&settings(trusting(&pki)), &format!("https://localhost:{port}/")).await.unwrap_err();
    assert_eq!(
        (fault.kind, fault.to_string()),
        (Kind::Auth, format!("the certificate of localhost:{port} has expired: renew it there"))
    );

    let other = pki.issue("other", &["siem.example.com"], false);
    let (port, _other) = https(&pki, &other, false).await;
    let url = format!("https://localhost:{port}/");
    let fault = get(&settings(trusting(&pki)), &url).await.unwrap_err();
    assert_eq!(fault.kind, Kind::Auth);
    assert!(fault.to_string().contains("set tls.server_name"), "{fault}");

    let named = Tls { server_name: Some("siem.example.com".to_owned()), ..trusting(&pki) };
    assert_eq!(get(&settings(named), &url).await.unwrap(), "hello");
    let misnamed = Tls { server_name: Some("other.example.com".to_owned()), ..trusting(&pki) };
    assert!(get(&settings(misnamed), &url).await.is_err());
}

#[tokio::test]
async fn a_client_certificate_is_shown_where_one_is_configured() {
    let pki = Pki::new();
    let server = pki.issue("server", &["localhost"], false);
    let own = pki.issue("client", &["postrider"], false);
    let (port, _tasks) = https(&pki, &server, true).await;
    let url = format!("https://localhost:{port}/");
    let with = Tls { client_cert: Some(own.cert), client_key: Some(own.key), ..trusting(&pki) };
    assert_eq!(get(&settings(with), &url).await.unwrap(), "hello");
    let fault = get(&settings(trusting(&pki)), &url).await.unwrap_err();
    assert_eq!(fault.kind, Kind::Auth);
    assert!(fault.to_string().contains("refuses our client certificate"), "{fault}");
}

#[test]
fn bad_files_are_named() {
    let pki = Pki::new();
    let one = pki.issue("one", &["a"], false);
    let two = pki.issue("two", &["a"], false);
    let empty = pki.directory.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let missing = pki.directory.path().join("missing.pem");
    let broken = pki.directory.path().join("broken.pem");
    std::fs::write(&broken, "-----BEGIN CERTIFICATE-----\nMII*\n-----END CERTIFICATE-----\n")
        .unwrap();
    let ca = |path: &Path| Tls { ca_file: Some(path.to_owned()), ..Tls::default() };
    let own = |cert: &Path, key: &Path| Tls {
        client_cert: Some(cert.to_owned()),
        client_key: Some(key.to_owned()),
        ..Tls::default()
    };
    for (tls, text, file) in [
        (ca(&missing), "cannot be read", &missing),
        (ca(&empty), "has no PEM certificate", &empty),
        (ca(&broken), "is not good PEM", &broken),
        (own(&one.cert, &one.cert), "has no PEM private key", &one.cert),
        (own(&one.cert, &two.key), "does not go with the certificate", &two.key),
        (own(&missing, &one.key), "cannot be read", &missing),
    ] {
        let error = client(&settings(tls)).unwrap_err().to_string();
        assert!(error.contains(text) && error.contains(file.to_str().unwrap()), "{error}");
    }
    let half = Tls { client_cert: Some(one.cert), ..Tls::default() };
    assert!(matches!(client(&settings(half)), Err(ClientError::HalfIdentity)));
    let unnamed = Tls { server_name: Some("not a name".to_owned()), ..Tls::default() };
    assert!(matches!(client(&settings(unnamed)), Err(ClientError::ServerName(_))));
}

#[test]
fn an_error_about_the_proxy_does_not_show_its_password() {
    let http = Http { proxy: Some("http://user:hunter2@[proxy".to_owned()), ..Http::default() };
    let error = client(&http).unwrap_err();
    assert!(!crate::fault::chain(&error).contains("hunter2"));
    assert!(!format!("{error:?}").contains("hunter2"));
}

#[tokio::test]
async fn requests_go_through_the_configured_proxy() {
    let proxy = MockServer::start().await;
    Mock::given(header("user-agent", USER_AGENT))
        .and(header("host", "vendor.invalid"))
        .respond_with(ResponseTemplate::new(200).set_body_string("by proxy"))
        .mount(&proxy)
        .await;
    let http = Http { proxy: Some(proxy.uri()), ..settings(Tls::default()) };
    assert_eq!(get(&http, "http://vendor.invalid/x").await.unwrap(), "by proxy");
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(302).insert_header("location", "/elsewhere"))
        .expect(1)
        .mount(&server)
        .await;
    let http = settings(Tls::default());
    let response = client(&http).unwrap().get(server.uri()).send().await.unwrap();
    assert_eq!(response.status(), 302);
}

#[tokio::test]
async fn the_cap_counts_decompressed_bytes() {
    let server = MockServer::start().await;
    for (at, len) in [("/fits", 1000), ("/bomb", 1_000_000)] {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(9));
        std::io::Write::write_all(&mut encoder, &vec![b'x'; len]).unwrap();
        let body = ResponseTemplate::new(200)
            .insert_header("content-encoding", "gzip")
            .set_body_bytes(encoder.finish().unwrap());
        Mock::given(path(at)).respond_with(body).mount(&server).await;
    }
    let http = settings(Tls::default());
    assert_eq!(get(&http, &format!("{}/fits", server.uri())).await.unwrap().len(), 1000);
    let fault = get(&http, &format!("{}/bomb", server.uri())).await.unwrap_err();
    assert_eq!(fault.kind, Kind::TooLarge);
    assert!(fault.to_string().ends_with("is larger than 1000 bytes"), "{fault}");
}

#[tokio::test]
async fn faults_name_host_and_port_and_hide_the_query() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let http = settings(Tls::default());
    let fault = get(&http, &format!("http://u:hunter2@127.0.0.1:{port}/?key=hunter2")).await;
    let fault = fault.unwrap_err();
    assert_eq!(fault.chain(), format!("cannot connect to 127.0.0.1:{port}: connection refused"));
    assert!(matches!(fault.kind, Kind::Transient { .. }));

    let fault = get(&http, "http://no-such-host.invalid/?key=hunter2").await.unwrap_err();
    let text = fault.chain();
    assert!(text.contains("no-such-host.invalid:80") && !text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn a_proxy_that_cannot_be_reached_is_not_taken_for_the_peer() {
    // The peer is there; the proxy is not.
    let peer = MockServer::start().await;
    let proxy = "http://user:hunter2@127.0.0.1:1".to_owned();
    let http = Http { proxy: Some(proxy), ..settings(Tls::default()) };
    for (url, named) in [
        (format!("{}/?key=hunter2", peer.uri()), peer.address().to_string()),
        ("https://vendor.invalid/".to_owned(), "vendor.invalid:443".to_owned()),
    ] {
        let fault = get(&http, &url).await.unwrap_err();
        let words = format!("cannot connect to {named} by the proxy 127.0.0.1:1");
        assert_eq!(fault.chain(), format!("{words}: connection refused"));
        assert!(fault.cure().unwrap().starts_with("check `proxy`"), "{fault:?}");
    }
    let unknown = Http { proxy: Some("proxy.invalid:3128".to_owned()), ..http };
    let fault = get(&unknown, &peer.uri()).await.unwrap_err();
    assert_eq!(fault.to_string(), "cannot resolve the name of the proxy proxy.invalid:3128");
    assert!(fault.cure().unwrap().starts_with("check `proxy`"), "{fault:?}");
}

#[tokio::test]
async fn a_silent_peer_and_a_cut_body_are_transient() {
    let server = MockServer::start().await;
    let slow = ResponseTemplate::new(200).set_delay(Duration::from_secs(30));
    Mock::given(path("/slow")).respond_with(slow).mount(&server).await;
    let http = Http { timeout: Duration::from_millis(100), ..settings(Tls::default()) };
    let fault = get(&http, &format!("{}/slow", server.uri())).await.unwrap_err();
    assert!(fault.to_string().ends_with("did not answer in time"), "{fault}");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        tcp.read_u8().await.unwrap();
        tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhalf").await.unwrap();
    });
    let http = settings(Tls::default());
    let fault = get(&http, &format!("http://127.0.0.1:{port}/")).await.unwrap_err();
    assert!(matches!(fault.kind, Kind::Transient { .. }));
    assert!(fault.to_string().ends_with("broke off"), "{}", fault.chain());
}
