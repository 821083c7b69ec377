//! What receivers refuse: strangers, and messages that are too long.

use postrider::{
    config::{self, Framing},
    domain::event::Event,
    fault::Kind,
    sink::{Outcome, Sink},
};

use super::{
    events::{self, send, sink},
    programs::{Program, Way},
    receiver::{LONGEST, Receiver},
};

/// rsyslog's default, which is not quite 8 KiB: a byte more arrives as two messages.
const RSYSLOG_DEFAULT: usize = 8096;

#[tokio::test]
async fn a_client_that_is_not_permitted_loses_nothing() {
    for program in [Program::Rsyslog, Program::SyslogNg] {
        let Some(mut receiver) = Receiver::start(program).await else { return };
        let strangers = receiver.strangers();
        for (index, client) in [None, Some(&strangers[1]), Some(&strangers[0])].iter().enumerate() {
            if index == 2 && program == Program::SyslogNg {
                // It takes all clients of its authority, whatever their name.
                continue;
            }
            let mut settings = receiver.settings(Way::Tls);
            settings.tls = receiver.tls(*client);
            let sink = sink(&settings);
            let fault = send(&sink, 0..1).await.unwrap_err();
            assert!(matches!(fault.kind, Kind::Auth | Kind::Transient { .. }), "{}", fault.chain());
            assert!(fault.to_string().contains("client certificate"), "{}", fault.chain());
            assert!(sink.probe().await.is_err());
        }
        assert!(receiver.all(0).await.is_empty());
    }
}

/// A JSON event that makes a message of exactly `length` bytes, header included.
fn of_length(length: usize, settings: &config::Syslog) -> Event {
    let settings = config::Syslog { framing: Framing::Newline, ..settings.clone() };
    let mut event = events::event(0);
    let of = |padding: usize| {
        format!("{{\"postrider\":{{}},\"del\":\"\u{7f}\",\"ü\":\"{}\"}}", "x".repeat(padding))
    };
    event.json = of(0).into();
    let mut frame = Vec::new();
    sink(&settings).frame(&event, &mut frame).unwrap();
    event.json = of(length - (frame.len() - 1)).into();
    event
}

async fn arrives_whole(receiver: &mut Receiver, length: usize) {
    for (index, way) in [Way::Octets, Way::Lines, Way::Tls].into_iter().enumerate() {
        let mut settings = receiver.settings(way);
        settings.max_message = length;
        let sink = sink(&settings);
        let event = of_length(length, &settings);
        let mut frame = Vec::new();
        sink.frame(&event, &mut frame).unwrap();
        let extra = if way == Way::Lines { 1 } else { length.to_string().len() + 1 };
        assert_eq!(frame.len(), length + extra, "as long as may be");
        let whole = 0..frame.len();
        let outcome = sink.send(frame.into(), std::slice::from_ref(&whole)).await;
        assert!(matches!(outcome, Outcome::Accepted), "{outcome:?}");
        let received = receiver.received(index + 1).await;
        assert_eq!(received.len(), index + 1);
        assert_eq!(received[index].message, event.json.replace('\u{7f}', "\\u007f"));
    }
    assert_eq!(receiver.all(3).await.len(), 3);
}

#[tokio::test]
async fn a_message_as_long_as_max_message_arrives_whole() {
    for program in [Program::Rsyslog, Program::SyslogNg] {
        let Some(mut receiver) = Receiver::start(program).await else { return };
        arrives_whole(&mut receiver, LONGEST).await;
    }
}

#[tokio::test]
async fn so_it_does_with_the_limit_that_rsyslog_has_by_default() {
    let without = |text: &str| text.replace("global(maxMessageSize=\"64k\")", "");
    let Some(mut receiver) = Receiver::start_with(Program::Rsyslog, without).await else { return };
    arrives_whole(&mut receiver, RSYSLOG_DEFAULT).await;
}
