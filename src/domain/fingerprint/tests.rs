use super::*;
use proptest::prelude::*;

fn of(json: &str) -> Fingerprint {
    let raw: &RawValue = serde_json::from_str(json).unwrap();
    let mut builder = Builder::default();
    for (name, value) in object(raw).unwrap() {
        builder.member(&name, value);
    }
    builder.finish()
}

fn names(before: &str, after: &str) -> Vec<String> {
    let (before, after) = (of(before), of(after));
    changed(&before.members, &after.members).iter().map(|name| name.join(".")).collect()
}

#[test]
fn order_and_spellings_of_nothing_are_no_change() {
    let same = [
        (r#"{"a":[1,2],"b":{"c":1,"d":2}}"#, r#"{"b":{"d":2,"c":1},"a":[2,1]}"#),
        (r#"{"a":1}"#, r#"{"a":1,"b":null,"c":"","d":[],"e":{},"f":{"g":null}}"#),
        (r#"{"a":[{"x":1,"y":null},{"x":2}]}"#, r#"{"a":[{"x":2},{"x":1}]}"#),
        (r#"{"a":"\u00e9"}"#, r#"{"a":"é"}"#),
    ];
    for (left, right) in same {
        assert_eq!(of(left).content, of(right).content, "{left} {right}");
    }
}

#[test]
fn numbers_are_compared_as_they_are_written() {
    let different = [
        (r#"{"a":123456789012345678901234567890}"#, r#"{"a":123456789012345678901234567891}"#),
        (r#"{"a":1}"#, r#"{"a":"1"}"#),
        (r#"{"a":[1,1]}"#, r#"{"a":[1]}"#),
        (r#"{"a":"half \ud83d"}"#, r#"{"a":"half \ud83e"}"#),
    ];
    for (left, right) in different {
        assert_ne!(of(left).content, of(right).content, "{left} {right}");
    }
}

#[test]
fn changes_are_named_where_both_sides_are_objects() {
    let before = r#"{"v":{"o":"neutral","t":1},"l":[1,2],"s":"x"}"#;
    let after = r#"{"v":{"o":"phishing","t":1},"action":{"type":"move"},"l":[2,3],"s":"x"}"#;
    assert_eq!(names(before, after), ["action", "l", "v.o"]);
    assert_eq!(names(r#"{"a":{"b":1}}"#, r#"{"a":2}"#), ["a"]);
    assert_eq!(names(r#"{"a":{"b":1,"c":2}}"#, r#"{"a":{"b":1}}"#), ["a.c"]);
    assert_eq!(names(r#"{"a":{"b":{"c":1}}}"#, r#"{"a":{"x":1}}"#), ["a.b", "a.x"]);
    assert_eq!(names(r#"{"d":{"2.X.X":1}}"#, r#"{"d":{"2.X.X":2}}"#), ["d.2.X.X"]);
    assert_eq!(names(r#"{"a":{"b":1}}"#, r#"{"a":{}}"#), ["a"]);
}

#[test]
fn half_a_character_in_a_name_hides_no_other_member() {
    let raw: &RawValue = serde_json::from_str(r#"{"half \ud83d":1,"\u0069d":"x"}"#).unwrap();
    assert_eq!(object(raw).unwrap()[1].0, "id");
}

#[test]
fn deep_nesting_neither_overflows_nor_fails() {
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(50_000), "]".repeat(50_000));
    assert_eq!(of(&deep).members.iter().count(), 1);
}

proptest! {
    #[test]
    fn something_is_named_exactly_when_the_content_differs(
        left in "[a-c]{0,3}", right in "[a-c]{0,3}", extra in 0..3_u8,
    ) {
        let make = |x: &str| format!(r#"{{"k":"{x}","o":{{"i":"{x}","e":{extra}}}}}"#);
        let (left, right) = (make(&left), make(&right));
        let same = of(&left).content == of(&right).content;
        prop_assert_eq!(same, names(&left, &right).is_empty());
    }
}

/// Else a hostile record of a megabyte keeps a processor busy for hours, or fills the memory.
#[test]
fn what_differs_is_named_in_time_however_much_does() {
    let verdict = |from: u32| {
        let members: Vec<String> = (from..from + 100_000).map(|n| format!("\"{n}\":1")).collect();
        format!("{{\"verdict\":{{{}}}}}", members.join(","))
    };
    assert_eq!(names(&verdict(0), &verdict(1_000_000)), ["verdict"]);
}

#[test]
fn a_long_name_over_many_leaves_is_compared_as_a_whole() {
    let record = |last: u32| {
        let leaves: Vec<String> = (0..10_000).map(|n| format!("\"{n}\":1")).collect();
        let name = "n".repeat(100_000);
        format!("{{\"{name}\":{{{},\"last\":{last}}},\"a\":{{\"b\":1}}}}", leaves.join(","))
    };
    let (one, two) = (of(&record(1)), of(&record(2)));
    assert!(one.members.parts().0.len() < 200_000);
    assert_ne!(one.content, two.content);
    assert_eq!(names(&record(1), &record(2))[0].len(), 100_000);
    assert_eq!(of(&record(1)), one);
}
