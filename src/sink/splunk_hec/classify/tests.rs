use super::*;

/// Outcomes in a form that a table can hold.
fn outcome(status: u16, body: &str, frames: usize, body_len: usize) -> String {
    let answer = Answer {
        body: Bytes::new(),
        status,
        reply: Reply::read(body.as_bytes()),
        retry_after: Some(Duration::from_secs(7)),
        url: "http://hec".to_owned(),
        index: Some("email".to_owned()),
    };
    match classify(&answer, frames, body_len) {
        Outcome::Accepted => "accepted".to_owned(),
        Outcome::Poison { index, .. } => format!("poison {index}"),
        Outcome::SomePoison { .. } => "some poison".to_owned(),
        Outcome::TooLarge { .. } => "too large".to_owned(),
        Outcome::Failed(fault) => match fault.kind {
            Kind::Transient { retry_after } => {
                assert_eq!(retry_after, Some(Duration::from_secs(7)));
                "transient".to_owned()
            }
            Kind::Throttled { retry_after } => {
                assert_eq!(retry_after, Some(Duration::from_secs(7)));
                "throttled".to_owned()
            }
            Kind::Auth => "hold".to_owned(),
            other => format!("{other:?}"),
        },
    }
}

fn code(code: u32) -> String {
    format!(r#"{{"text":"said","code":{code}}}"#)
}

fn invalid(code: u32, at: usize) -> String {
    format!(r#"{{"text":"said","code":{code},"invalid-event-number":{at}}}"#)
}

#[test]
fn every_code_of_hec_has_its_outcome() {
    for (status, codes, expected) in [
        (200, &[0, 24, 25][..], "accepted"),
        (200, &[17, 99], "transient"),
        (403, &[1, 4], "hold"),
        (401, &[2, 3], "hold"),
        (400, &[21, 22, 16, 7, 10, 11, 28, 14, 99], "hold"),
        (400, &[5, 6, 12, 13, 15], "some poison"),
        (500, &[8], "transient"),
        (503, &[9, 18, 19, 20, 23], "transient"),
        (429, &[26, 27], "throttled"),
        (503, &[26, 27], "throttled"),
        (404, &[404], "hold"),
        (405, &[405], "hold"),
    ] {
        for number in codes {
            assert_eq!(outcome(status, &code(*number), 3, 300), expected, "{status}/{number}");
        }
    }
}

#[test]
fn a_named_event_is_the_poison() {
    for number in [5, 6, 12, 13, 15, 99] {
        assert_eq!(outcome(400, &invalid(number, 2), 3, 300), "poison 2", "{number}");
        assert_eq!(outcome(400, &invalid(number, 0), 3, 300), "poison 0", "{number}");
    }
    assert_eq!(outcome(400, &invalid(12, 3), 3, 300), "some poison", "there is no fourth");
    // Code 7 names the object after the bad one, and the index is the same for all.
    assert_eq!(outcome(400, &invalid(7, 1), 3, 300), "hold");
    // A busy indexer may name one as well.
    assert_eq!(outcome(503, &invalid(9, 1), 3, 300), "transient");
}

#[test]
fn code_6_for_the_first_object_of_a_large_body_means_too_large() {
    assert_eq!(outcome(400, &invalid(6, 0), 500, 5_500_000), "too large");
    assert_eq!(outcome(400, &code(6), 500, 5_500_000), "too large");
    assert_eq!(outcome(400, &invalid(6, 3), 500, 5_500_000), "poison 3");
    assert_eq!(outcome(400, &invalid(6, 0), 500, 999_999), "poison 0");
}

#[test]
fn answers_that_are_not_hecs_are_never_acceptance() {
    let html = "<html><title>Sign in</title></html>";
    for (status, expected) in [
        (200, "transient"),
        (201, "transient"),
        (204, "transient"),
        (301, "hold"),
        (302, "hold"),
        (307, "hold"),
        (400, "transient"),
        (401, "hold"),
        (403, "hold"),
        (404, "hold"),
        (405, "hold"),
        (407, "hold"),
        (408, "transient"),
        (413, "too large"),
        (415, "hold"),
        (418, "hold"),
        (425, "transient"),
        (429, "throttled"),
        (500, "transient"),
        (502, "transient"),
        (503, "transient"),
        (504, "transient"),
        (599, "transient"),
    ] {
        for body in [html, "", "{}", "[]", r#"{"code":"0"}"#, r#"{"text":"Success","co"#] {
            assert_eq!(outcome(status, body, 3, 300), expected, "{status} {body}");
        }
    }
}

#[test]
fn texts_say_what_to_change_and_carry_no_control_characters() {
    let answer = Answer {
        status: 400,
        reply: Reply::read(b"{\"text\":\"Incorrect\\n\\u001b[31m index\",\"code\":7}"),
        url: "http://hec".to_owned(),
        index: Some("email".to_owned()),
        ..Answer::default()
    };
    let Outcome::Failed(fault) = classify(&answer, 1, 10) else { panic!() };
    assert_eq!(
        fault.to_string(),
        "http://hec answered 400 (code 7: Incorrect[31m index): the index \"email\" does not \
         exist or is not allowed for the token: create it, allow it, or change `index`"
    );
}
