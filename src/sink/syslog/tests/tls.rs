//! Over TLS.

use super::*;
use crate::sink::tests::pki::{Identity, Pki};

fn tls_settings(port: u16, pki: &Pki) -> config::Syslog {
    config::Syslog {
        address: format!("localhost:{port}"),
        tls: Tls { ca_file: Some(pki.ca_file()), ..Tls::default() },
        ..settings(port, Transport::Tls)
    }
}

/// Takes one connection after the other over TLS and passes on what came until its end.
async fn tls_receiver(
    pki: &Pki,
    identity: &Identity,
    wants_client: bool,
) -> (u16, mpsc::Receiver<Vec<u8>>, JoinSet<()>) {
    let (listener, port) = listen().await;
    let acceptor = pki.acceptor(identity, wants_client);
    let (sender, received) = mpsc::channel(8);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(tcp).await else { continue };
            let mut all = Vec::new();
            // We close without TLS's own goodbye; what came before counts.
            stream.read_to_end(&mut all).await.ok();
            sender.send(all).await.unwrap();
        }
    });
    (port, received, tasks)
}

#[tokio::test]
async fn tls_delivers_and_says_what_it_verified() {
    let pki = Pki::new();
    let server = pki.issue("server", &["localhost"], false);
    let (port, mut received, _tasks) = tls_receiver(&pki, &server, false).await;
    let syslog = syslog(&tls_settings(port, &pki));
    let (body, frames) = batch(&syslog, 500);
    for _ in 0..3 {
        assert_accepted(&syslog.send(body.clone(), &frames).await);
    }
    drop(syslog);
    assert_eq!(received.recv().await.unwrap(), body.repeat(3));
    let text = self::syslog(&tls_settings(port, &pki)).probe().await.unwrap();
    assert!(text.contains("with TLSv1_3, its certificate verified"), "{text}");
}

#[tokio::test]
async fn tls_faults_say_what_to_change() {
    let pki = Pki::new();
    for (names, expired, trusts, expected) in [
        (["localhost"], true, true, "has expired"),
        (["siem.example.com"], false, true, "set tls.server_name"),
        (["localhost"], false, false, "set tls.ca_file"),
    ] {
        let server = pki.issue("server", &names, expired);
        let (port, _received, _tasks) = tls_receiver(&pki, &server, false).await;
        let mut settings = tls_settings(port, &pki);
        if !trusts {
            settings.tls = Tls::default();
        }
        let fault = fault(send(&syslog(&settings), 1).await);
        assert_eq!(fault.kind, Kind::Auth);
        assert!(fault.to_string().contains(expected), "{fault}");
        if names[0] != "localhost" {
            settings.tls.server_name = Some(names[0].to_owned());
            assert_accepted(&send(&syslog(&settings), 1).await);
        }
    }
}

#[tokio::test]
async fn a_refused_client_certificate_is_seen_before_a_batch_is_lost() {
    let pki = Pki::new();
    let server = pki.issue("server", &["localhost"], false);
    let own = pki.issue("client", &["postrider"], false);
    let (port, mut received, _tasks) = tls_receiver(&pki, &server, true).await;
    let mut settings = tls_settings(port, &pki);
    let fault = fault(send(&syslog(&settings), 1).await);
    assert_eq!(fault.kind, Kind::Auth);
    assert!(fault.to_string().contains("refuses our client certificate"), "{fault}");
    settings.tls.client_cert = Some(own.cert);
    settings.tls.client_key = Some(own.key);
    assert_accepted(&send(&syslog(&settings), 1).await);
    assert!(!received.recv().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_port_without_tls_is_recognised() {
    use tokio::io::AsyncWriteExt;
    let (listener, port) = listen().await;
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"220 mail.example.com ESMTP\r\n").await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.ok();
    });
    let pki = Pki::new();
    let fault = fault(send(&syslog(&tls_settings(port, &pki)), 1).await);
    assert!(fault.to_string().contains("is this a port without TLS?"), "{fault}");
}
