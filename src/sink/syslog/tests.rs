mod tls;

use std::time::Duration;

use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream, UdpSocket},
    sync::mpsc,
    task::JoinSet,
};

use super::*;
use crate::{
    config::Tls,
    fault::Kind,
    sink::tests::{batch, event, event_of, sink},
};

fn settings(port: u16, transport: Transport) -> config::Syslog {
    config::Syslog {
        address: format!("127.0.0.1:{port}"),
        transport,
        framing: Framing::OctetCounting,
        header: SyslogHeader::Rfc5424,
        hostname: None,
        payload: Payload::Json,
        enterprise_number: 32473,
        max_message: 8192,
        tls: Tls::default(),
        timeout: Duration::from_secs(5),
    }
}

fn syslog(settings: &config::Syslog) -> Syslog {
    Syslog::new(&sink(), settings, "collector").unwrap()
}

async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

async fn send(syslog: &Syslog, count: u64) -> Outcome {
    let (body, frames) = batch(syslog, count);
    syslog.send(body, &frames).await
}

fn fault(outcome: Outcome) -> Fault {
    match outcome {
        Outcome::Failed(fault) => fault,
        other => panic!("{other:?}"),
    }
}

fn assert_accepted(outcome: &Outcome) {
    assert!(matches!(outcome, Outcome::Accepted), "{outcome:?}");
}

/// Makes the kernel send RST instead of an orderly end.
fn reset(stream: TcpStream) {
    let stream = stream.into_std().unwrap();
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
}

#[tokio::test]
async fn octet_counts_are_the_bytes_of_the_message() {
    let syslog = syslog(&settings(1, Transport::Tcp));
    let mut out = b"before".to_vec();
    syslog.frame(&event(1), &mut out).unwrap();
    syslog.frame(&event(2), &mut out).unwrap();
    let mut rest = out.strip_prefix(b"before").unwrap();
    for _ in 0..2 {
        let space = rest.iter().position(|byte| *byte == b' ').unwrap();
        let count: usize = std::str::from_utf8(&rest[..space]).unwrap().parse().unwrap();
        let message = &rest[space + 1..][..count];
        assert!(message.starts_with(b"<134>1 2026-") && message.ends_with(b"}"));
        rest = &rest[space + 1 + count..];
    }
    assert!(rest.is_empty());
}

#[tokio::test]
async fn a_message_above_the_limit_is_unfit_and_leaves_no_bytes() {
    for (transport, framing) in
        [(Transport::Tcp, Framing::OctetCounting), (Transport::Udp, Framing::Newline)]
    {
        let syslog =
            syslog(&config::Syslog { max_message: 200, framing, ..settings(1, transport) });
        let mut out = b"before".to_vec();
        let big = event_of(1, &format!(r#"{{"postrider":{{"x":"{}"}}}}"#, "ü".repeat(300)));
        let unfit = syslog.frame(&big, &mut out).unwrap_err().to_string();
        assert!(unfit.contains("bytes; max_message is 200"), "{unfit}");
        assert_eq!(out, b"before");
    }
}

#[test]
fn a_message_that_is_too_long_is_shortened() {
    for payload in [Payload::Json, Payload::Cef, Payload::Leef(config::Leef::V2)] {
        let tcp = settings(1, Transport::Udp);
        let syslog = syslog(&config::Syslog { max_message: 600, payload, ..tcp });
        let text = "ü".repeat(500);
        let big = format!(r#"{{"postrider":{{}},"subject":"{text}","fromAddress":"{text}"}}"#);
        let mut out = Vec::new();
        syslog.frame(&event_of(1, &big), &mut out).unwrap();
        assert!(out.len() <= 600, "{}", out.len());
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("truncated") && text.contains("subject"), "{text}");
    }
}

#[tokio::test]
async fn newline_frames_are_one_line_each_whatever_the_event_holds() {
    let settings = config::Syslog { framing: Framing::Newline, ..settings(1, Transport::Tcp) };
    let syslog = syslog(&settings);
    let mut out = Vec::new();
    syslog.frame(&event_of(1, "{\n\"a\":\t\"x\\ny\u{7f}\"\r\n}"), &mut out).unwrap();
    assert_eq!(out.iter().filter(|byte| byte.is_ascii_control()).count(), 1);
    assert_eq!(out.last(), Some(&b'\n'));
}

#[tokio::test]
async fn batches_share_one_connection_and_arrive_whole() {
    let (listener, port) = listen().await;
    let mut tasks = JoinSet::new();
    let (sender, mut received) = mpsc::channel(1);
    tasks.spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        sender.send(all).await.unwrap();
        listener.accept().await.unwrap();
        panic!("a second connection");
    });
    let syslog = syslog(&settings(port, Transport::Tcp));
    let (body, frames) = batch(&syslog, 500);
    for _ in 0..3 {
        assert_accepted(&syslog.send(body.clone(), &frames).await);
    }
    drop(syslog);
    assert_eq!(received.recv().await.unwrap(), body.repeat(3));
}

#[tokio::test]
async fn a_peer_that_closed_between_batches_gets_the_next_on_a_new_connection() {
    for is_reset in [false, true] {
        let (listener, port) = listen().await;
        let syslog = syslog(&settings(port, Transport::Tcp));
        assert_accepted(&send(&syslog, 1).await);
        let (mut first, _) = listener.accept().await.unwrap();
        let mut buffer = vec![0; 4096];
        assert!(first.read(&mut buffer).await.unwrap() > 0);
        if is_reset {
            reset(first);
        } else {
            drop(first);
        }
        let (body, frames) = batch(&syslog, 3);
        assert_accepted(&syslog.send(body.clone(), &frames).await);
        let (once, _) = batch(&syslog, 1);
        drop(syslog);
        let (mut second, _) = listener.accept().await.unwrap();
        let mut all = Vec::new();
        second.read_to_end(&mut all).await.unwrap();
        // Who resets may not have read what was sent last.
        let again = if is_reset { once } else { Bytes::new() };
        assert_eq!(all, [again, body].concat());
    }
}

#[tokio::test]
async fn what_a_peer_took_and_did_not_read_goes_again_first() {
    let (listener, port) = listen().await;
    let syslog = syslog(&settings(port, Transport::Tcp));
    let (body, frames) = batch(&syslog, 3);
    for _ in 0..4 {
        assert_accepted(&syslog.send(body.clone(), &frames).await);
    }
    let (mut first, _) = listener.accept().await.unwrap();
    first.read_exact(&mut vec![0; body.len() * 2 + 7]).await.unwrap();
    // With bytes that it did not read, its kernel says so by a reset.
    drop(first);
    let (last, frames) = batch(&syslog, 1);
    let mut outcome = syslog.send(last.clone(), &frames).await;
    if matches!(outcome, Outcome::Failed(_)) {
        outcome = syslog.send(last.clone(), &frames).await;
    }
    assert_accepted(&outcome);
    drop(syslog);
    let mut all = Vec::new();
    listener.accept().await.unwrap().0.read_to_end(&mut all).await.unwrap();
    assert!(all.ends_with(&[body.clone(), body.clone(), last].concat()), "what was not read");
}

#[tokio::test]
async fn a_peer_that_resets_during_a_batch_fails_it_and_the_next_reconnects() {
    let (listener, port) = listen().await;
    let syslog = syslog(&settings(port, Transport::Tcp));
    // More than both kernels' buffers hold, so the batch cannot be finished.
    let (body, frames) = batch(&syslog, 100_000);
    let kill = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_exact(&mut [0; 1000]).await.unwrap();
        reset(stream);
    };
    let (outcome, ()) = tokio::join!(syslog.send(body, &frames), kill);
    let fault = fault(outcome);
    assert!(matches!(fault.kind, Kind::Transient { .. }), "{}", fault.chain());
    assert_accepted(&send(&syslog, 1).await);
}

#[tokio::test]
async fn a_peer_that_never_reads_is_not_delivery() {
    let (listener, port) = listen().await;
    let settings =
        config::Syslog { timeout: Duration::from_millis(300), ..settings(port, Transport::Tcp) };
    let syslog = syslog(&settings);
    let (body, frames) = batch(&syslog, 100_000);
    let fault = fault(syslog.send(body, &frames).await);
    assert!(matches!(fault.kind, Kind::Transient { .. }), "{}", fault.chain());
    drop(listener);
}

#[tokio::test]
async fn a_peer_that_takes_the_first_batch_and_hangs_up_has_not_accepted_it() {
    let (listener, port) = listen().await;
    let syslog = syslog(&settings(port, Transport::Tcp));
    let peer = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let (outcome, ()) = tokio::join!(send(&syslog, 1), peer);
    let fault = fault(outcome);
    assert!(fault.to_string().contains("closed the connection at once"), "{fault}");
}

#[tokio::test]
async fn a_peer_that_talks_back_is_no_receiver() {
    use tokio::io::AsyncWriteExt;
    let (listener, port) = listen().await;
    let syslog = syslog(&settings(port, Transport::Tcp));
    assert_accepted(&send(&syslog, 1).await);
    let (mut first, _) = listener.accept().await.unwrap();
    first.write_all(b"HTTP/1.1 400 Bad Request\r\n").await.unwrap();
    assert_accepted(&send(&syslog, 1).await);
    // The batch went over a second connection.
    listener.accept().await.unwrap();
}

#[tokio::test]
async fn nobody_listening_is_transient_and_named() {
    let (listener, port) = listen().await;
    drop(listener);
    let fault = fault(send(&syslog(&settings(port, Transport::Tcp)), 1).await);
    assert_eq!(fault.chain(), format!("cannot connect to 127.0.0.1:{port}: connection refused"));
    let named = config::Syslog {
        address: "no-such-host.invalid:514".to_owned(),
        ..settings(1, Transport::Tcp)
    };
    let fault = syslog(&named).probe().await.unwrap_err();
    assert!(fault.to_string().starts_with("cannot resolve no-such-host.invalid"), "{fault}");
}

#[tokio::test]
async fn datagrams_carry_one_message_each() {
    let receiver = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = receiver.local_addr().unwrap().port();
    let syslog = syslog(&settings(port, Transport::Udp));
    let (body, frames) = batch(&syslog, 3);
    assert_accepted(&syslog.send(body.clone(), &frames).await);
    let mut buffer = vec![0; 65_536];
    for frame in frames {
        let len = receiver.recv(&mut buffer).await.unwrap();
        assert_eq!(buffer[..len], body[frame]);
    }
    assert!(syslog.probe().await.unwrap().contains("UDP cannot be tried"));
}

#[tokio::test]
async fn a_refused_datagram_is_transient() {
    let receiver = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = receiver.local_addr().unwrap().port();
    drop(receiver);
    let fault = fault(send(&syslog(&settings(port, Transport::Udp)), 1).await);
    assert!(matches!(fault.kind, Kind::Transient { .. }));
    assert!(fault.chain().ends_with("connection refused"), "{}", fault.chain());
}

#[tokio::test]
async fn a_probe_notices_a_peer_that_hangs_up() {
    let (listener, port) = listen().await;
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        loop {
            drop(listener.accept().await.unwrap());
        }
    });
    let fault = syslog(&settings(port, Transport::Tcp)).probe().await.unwrap_err();
    assert!(fault.to_string().contains("closed the connection at once"), "{fault}");
}
