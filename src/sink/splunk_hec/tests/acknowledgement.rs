//! Waiting for the indexers, against a Splunk in the network's place, on paused time.

use std::{collections::BTreeMap, sync::Mutex};

use futures_util::future::join_all;

use self::splunk::{Asked, Splunk, all, auto, ids, to};
use super::*;

mod splunk;

const TIMEOUT: Duration = Duration::from_secs(300);
const OFF: &str = r#"{"text":"ACK is disabled","code":14}"#;
const NO_PAGE: &str = r#"{"text":"The requested URL was not found on this server.","code":404}"#;

fn failed(outcome: Outcome) -> Fault {
    match outcome {
        Outcome::Failed(fault) => fault,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn batches_wait_together_and_one_question_asks_for_all() {
    let splunk = Splunk::taking(|number, asked| all(asked, number >= 3));
    let hec = auto(&splunk);
    assert_eq!(hec.most_on_the_way(4), 4);
    let began = tokio::time::Instant::now();
    let outcomes = join_all((0..4).map(|_| send(&hec))).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Accepted)));
    assert!(began.elapsed() > Duration::from_secs(4) && began.elapsed() < Duration::from_secs(5));
    let questions: Vec<_> = splunk.questions().iter().map(ids).collect();
    assert_eq!(questions, vec![vec![0, 1, 2, 3]; 4]);
    assert_eq!(hec.most_on_the_way(4), 16, "who only waits makes room");
    let asked = splunk.asked.lock().unwrap().clone();
    assert!(asked.iter().all(|a| a.channel == asked[0].channel && a.host == "a"));
    let cookies: Vec<_> = asked.iter().map(|asked| asked.cookie.as_deref()).collect();
    assert_eq!((cookies[0], &cookies[1..]), (None, &[Some("NODE=7"); 7][..]), "the first is alone");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_the_word_for_indexed_is_no_delivery() {
    let answers: [(u16, &str); 14] = [
        (200, r#"{"acks":{"0":false}}"#),
        (200, r#"{"acks":{}}"#),
        (200, r#"{"acks":{"1":true}}"#),
        (200, r#"{"acks":{"0":"true"}}"#),
        (200, r#"{"acks":[true]}"#),
        (200, r#"{"text":"Success","code":0}"#),
        (200, "<html>Sign in</html>"),
        (200, ""),
        (302, r#"{"acks":{"0":true}}"#),
        (400, r#"{"text":"Invalid data channel","code":11}"#),
        (403, r#"{"text":"Token disabled","code":1}"#),
        (404, "<html>no backend</html>"),
        (429, r#"{"text":"at capacity","code":27}"#),
        (503, r#"{"acks":{"0":true}}"#),
    ];
    for (status, body) in answers {
        let splunk = Splunk::taking(move |_, _| Ok((status, body.to_owned())));
        let began = tokio::time::Instant::now();
        let fault = failed(send(&auto(&splunk)).await);
        assert_eq!(fault.kind, Kind::Transient { retry_after: None }, "{status} {body}");
        let text = fault.to_string();
        assert!(text.starts_with("https://a took a batch 2 times, and its indexers"), "{text}");
        let took = began.elapsed();
        assert!(took >= TIMEOUT * 2 && took < TIMEOUT * 2 + Duration::from_secs(10), "{took:?}");
        let posts = splunk.posts();
        assert_eq!(posts.len(), 2, "{status} {body}");
        assert_eq!(posts[0].body, posts[1].body);
        assert_ne!(posts[0].channel, posts[1].channel);
        assert!(splunk.questions().len() > 50, "{status} {body}");
    }
    let splunk = Splunk::taking(|_, _| Err(Fault::transient("connection reset")));
    let fault = failed(send(&auto(&splunk)).await);
    assert!(fault.to_string().ends_with("(ack_timeout): connection reset"), "{fault}");
}

#[tokio::test(start_paused = true)]
async fn a_true_whose_answer_was_lost_comes_never_again() {
    let splunk = Splunk::taking(|number, asked| match number {
        0 => Err(Fault::transient("connection reset")),
        _ => all(asked, asked.channel.is_empty()),
    });
    let hec = auto(&splunk);
    let waiting = send(&hec);
    tokio::pin!(waiting);
    assert!(tokio::time::timeout(Duration::from_secs(299), &mut waiting).await.is_err());
    assert_eq!(splunk.posts().len(), 1);
    assert!(tokio::time::timeout(Duration::from_secs(2), &mut waiting).await.is_err());
    assert_eq!(splunk.posts().len(), 2, "the same bytes on a new channel");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_confirms_nothing_is_left_for_the_next() {
    let splunk = Splunk::taking(|_, asked| all(asked, asked.host == "b"));
    let hec = auto(&splunk);
    failed(send(&hec).await);
    assert!(matches!(send(&hec).await, Outcome::Accepted));
    let hosts: Vec<_> = splunk.posts().into_iter().map(|post| post.host).collect();
    assert_eq!(hosts, ["a", "a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn acknowledgement_that_is_switched_off_at_the_server() {
    // The batch that waits goes again; without an id a 200 counts.
    let post = |number, _: &Asked| (number > 0).then(|| Ok((200, r#"{"code":0}"#.to_owned())));
    let splunk = Splunk::new(post, |_, _| Ok((400, OFF.to_owned())));
    let hec = auto(&splunk);
    assert!(matches!(send(&hec).await, Outcome::Accepted));
    assert_eq!((splunk.posts().len(), splunk.questions().len()), (2, 1));
    assert_eq!(hec.most_on_the_way(4), 4);

    let splunk = Splunk::taking(|number, asked| match number {
        0 => all(asked, false),
        _ => Ok((400, OFF.to_owned())),
    });
    let fault = failed(send(&to(&splunk, Acknowledgements::Required)).await);
    assert_eq!(fault.kind, Kind::Auth);
    assert!(fault.to_string().contains("has no indexer acknowledgement"), "{fault}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_gives_ids_but_cannot_be_asked_counts_by_its_200() {
    let splunk = Splunk::taking(|_, _| Ok((404, NO_PAGE.to_owned())));
    let hec = auto(&splunk);
    for _ in 0..3 {
        assert!(matches!(send(&hec).await, Outcome::Accepted));
    }
    assert_eq!((splunk.posts().len(), splunk.questions().len()), (4, 1));
}

#[tokio::test(start_paused = true)]
async fn acknowledgement_that_is_switched_on_again_is_used_again() {
    let post = |number, _: &Asked| (number == 1).then(|| Ok((200, r#"{"code":0}"#.to_owned())));
    let splunk = Splunk::new(post, |number, asked| match number {
        0 => Ok((400, OFF.to_owned())),
        _ => all(asked, true),
    });
    let hec = auto(&splunk);
    assert!(matches!(send(&hec).await, Outcome::Accepted));
    assert!(matches!(send(&hec).await, Outcome::Accepted));
    assert_eq!((splunk.posts().len(), splunk.questions().len()), (3, 2));
}

#[tokio::test(start_paused = true)]
async fn nothing_goes_to_a_server_without_it_where_it_is_required() {
    for answer in [(400, OFF), (404, NO_PAGE)] {
        let splunk = Splunk::taking(move |_, _| Ok((answer.0, answer.1.to_owned())));
        let hec = to(&splunk, Acknowledgements::Required);
        for fault in join_all((0..3).map(|_| send(&hec))).await.into_iter().map(failed) {
            assert_eq!(fault.kind, Kind::Auth);
            assert_eq!(
                fault.to_string(),
                "https://a has no indexer acknowledgement for the token: switch it on in Splunk \
                 (\"Enable indexer acknowledgement\"), or set `acknowledgements = \"auto\"`"
            );
        }
        assert!(splunk.posts().is_empty());
    }
    let post = |_, _: &Asked| Some(Ok((200, r#"{"text":"Success","code":0}"#.to_owned())));
    let splunk = Splunk::new(post, |_, asked| all(asked, true));
    let fault = failed(send(&to(&splunk, Acknowledgements::Required)).await);
    assert_eq!(fault.kind, Kind::Auth);

    let splunk = Splunk::taking(|_, asked| all(asked, true));
    let hec = to(&splunk, Acknowledgements::Required);
    assert!(matches!(send(&hec).await, Outcome::Accepted));
    assert!(matches!(send(&hec).await, Outcome::Accepted));
    assert_eq!(splunk.questions().len(), 3, "whether it has it is asked once");
    assert_ne!(splunk.questions()[0].channel, splunk.posts()[0].channel);
}

#[tokio::test(start_paused = true)]
async fn off_never_asks() {
    let splunk = Splunk::taking(|_, _| panic!("it asks"));
    assert!(matches!(send(&to(&splunk, Acknowledgements::Off)).await, Outcome::Accepted));
    assert_eq!(splunk.posts().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_may_be_dropped_at_any_point() {
    for millis in (0..1_200).step_by(50) {
        let splunk = Splunk::taking(|number, asked| all(asked, number >= 2));
        let hec = auto(&splunk);
        let (one, other) = tokio::join!(
            tokio::time::timeout(Duration::from_millis(millis), send(&hec)),
            send(&hec),
        );
        assert!(one.is_err() && matches!(other, Outcome::Accepted), "{millis}");
        assert!(hec.route().channel().rests().is_some(), "{millis}");
    }
}

#[tokio::test(start_paused = true)]
async fn ids_that_come_again_send_all_again_and_then_each_batch_on_a_channel_of_its_own() {
    // Two nodes that take turns and count for themselves: each id comes twice on a channel.
    let counts: Mutex<BTreeMap<String, u64>> = Mutex::default();
    let post = move |_, asked: &Asked| {
        let mut counts = counts.lock().unwrap();
        let count = counts.entry(asked.channel.clone()).or_default();
        *count += 1;
        Some(Ok((200, format!(r#"{{"code":0,"ackId":{}}}"#, (*count - 1) / 2))))
    };
    let splunk = Splunk::new(post, |_, asked| all(asked, true));
    let hec = auto(&splunk);
    let first = join_all((0..4).map(|_| send(&hec))).await;
    let faults: Vec<_> = first
        .into_iter()
        .filter_map(|o| match o {
            Outcome::Failed(fault) => Some(fault.to_string()),
            _ => None,
        })
        .collect();
    assert!(faults.iter().all(|text| text.contains("sticky sessions")), "{faults:?}");
    let so_far = splunk.posts().len();
    for outcome in join_all((0..8).map(|_| send(&hec))).await {
        assert!(matches!(outcome, Outcome::Accepted));
    }
    let posts = splunk.posts().split_off(so_far);
    let channels: BTreeSet<_> = posts.iter().map(|post| &post.channel).collect();
    assert_eq!((posts.len(), channels.len()), (8, 8));
}

#[tokio::test(start_paused = true)]
async fn a_channel_does_not_rest_until_splunk_forgets_it() {
    let splunk = Splunk::taking(|_, asked| all(asked, true));
    let hec = auto(&splunk);
    for wait in [0, 299, 301] {
        tokio::time::sleep(Duration::from_secs(wait)).await;
        assert!(matches!(send(&hec).await, Outcome::Accepted));
    }
    let channels: Vec<_> = splunk.posts().into_iter().map(|post| post.channel).collect();
    assert!(channels[0] == channels[1] && channels[1] != channels[2]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_to_a_batch_ends_its_channel() {
    let post = |number, _: &Asked| (number == 0).then(|| Err(Fault::transient("reset")));
    let splunk = Splunk::new(post, |_, asked| all(asked, true));
    let hec = auto(&splunk);
    failed(send(&hec).await);
    assert!(matches!(send(&hec).await, Outcome::Accepted));
    let posts = splunk.posts();
    assert_ne!(posts[0].channel, posts[1].channel);
}

#[tokio::test(start_paused = true)]
async fn the_events_before_a_bad_one_are_confirmed_too() {
    let poison = r#"{"text":"Invalid data format","code":6,"invalid-event-number":2}"#;
    let post = move |number, _: &Asked| (number == 0).then(|| Ok((400, poison.to_owned())));
    let splunk = Splunk::new(post, |number, asked| all(asked, number > 0));
    let outcome = send(&auto(&splunk)).await;
    assert!(matches!(outcome, Outcome::Poison { index: 2, .. }), "{outcome:?}");
    assert_eq!((splunk.posts().len(), splunk.questions().len()), (2, 2));
    assert!(splunk.posts()[1].body.len() < splunk.posts()[0].body.len());
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_rotated_while_batches_wait_is_read_again() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "old").unwrap();
    let path = file.path().to_owned();
    let splunk = Splunk::taking(move |_, asked| {
        if asked.token == "Splunk new" {
            return all(asked, true);
        }
        std::fs::write(&path, "new").unwrap();
        Ok((403, r#"{"text":"Invalid token","code":4}"#.to_owned()))
    });
    let mut hec = auto(&splunk);
    hec.token = Token::new(Secret::file(file.path()));
    assert!(matches!(send(&hec).await, Outcome::Accepted));
    assert_eq!((splunk.posts().len(), splunk.questions().len()), (1, 2));
}
