//! Where secrets come from, and that they are never shown.

use super::*;

fn with_secret(secret: &str) -> Place {
    Place::with(&format!("{ETD}{STDOUT}").replace("\"hunter2\"", secret))
}

#[test]
fn a_file_a_variable_a_credential_and_a_text_hold_a_secret() {
    let place = with_secret("{ file = \"DIR/secret\" }");
    place.put("secret", "hunter2\n", 0o600);
    let credential = with_secret("{ credential = \"etd\" }");
    credential.put("credentials/etd", "hunter2\n", 0o440);
    let directory = credential.path("credentials").display().to_string();
    for place in
        [place, credential.env("CREDENTIALS_DIRECTORY", &directory), with_secret("\"hunter2\"")]
    {
        assert_eq!(place.told(), "no errors, no warnings");
        let config = place.config();
        let Vendor::CiscoEtd(vendor) = &source(&config, "etd-us").vendor else { panic!() };
        assert_eq!(*vendor.client_secret.read().unwrap(), "hunter2");
    }
    assert_eq!(with_secret("{ env = \"S\" }").env("S", "x").told(), "no errors, no warnings");
}

#[test]
fn what_is_wrong_with_a_secret() {
    let open = with_secret("{ file = \"DIR/secret\" }");
    open.put("secret", "hunter2", 0o644);
    insta::assert_snapshot!("secret_file_open_to_others", open.told());
    open.put("secret", "\n", 0o600);
    insta::assert_snapshot!("secret_file_empty", open.told());
    for (name, secret) in [
        ("secret_file_missing", "{ file = \"DIR/nowhere\" }"),
        ("secret_file_is_a_directory", "{ file = \"DIR\" }"),
        ("secret_variable_not_set", "{ env = \"NOWHERE\" }"),
        ("secret_credential_without_directory", "{ credential = \"etd\" }"),
        ("secret_credential_with_path", "{ credential = \"../etd\" }"),
        ("secret_of_two_origins", "{ file = \"a\", env = \"B\" }"),
        ("secret_of_unknown_origin", "{ flie = \"a\" }"),
        ("secret_empty", "\"\""),
        ("secret_number", "918273"),
        ("secret_list", "[\"hunter2\"]"),
    ] {
        insta::assert_snapshot!(name, with_secret(secret).told());
    }
}

#[test]
fn a_secret_in_a_file_that_all_may_read_is_warned_of() {
    let place = Place::with(&format!("{ETD}{STDOUT}"));
    place.put("postrider.toml", &format!("{ETD}{STDOUT}"), 0o644);
    insta::assert_snapshot!(place.told());
}

#[test]
fn no_problem_shows_a_secret() {
    let all = [
        // Wrong types and origins.
        "[\"hunter2\"]",
        "{ plain = \"hunter2\" }",
        "{ file = [\"hunter2\"] }",
        "[[\"hunter2\"]]",
        // Syntax errors on the line of the secret.
        "hunter2",
        "\"hunter2",
        "\"hunter2\" x",
        "'hunter2",
        "{ file = hunter2 }",
        "{ hunter2 }",
        "\"hunter2\\q\"",
        "\"\"\"hunter2",
        "\"hunter2\"\nclient_secret = \"hunter2\"",
        "\"hunter2\"\nclient_secrt = \"hunter2\"",
        "\"hunter2\"\napi_key = { flie = \"hunter2\" }",
        "\"hunter2\"\nproxy = \"hunter2://x:hunter2@[\"",
        "\"hunter2\"\nlag = 5",
    ];
    for secret in all {
        let place = with_secret(secret);
        let problems = place.load().expect_err(secret);
        let json = serde_json::to_string(&problems).unwrap();
        for shown in [problems.to_string(), json, format!("{problems:?}")] {
            assert!(!shown.contains("hunter2"), "{secret}: {shown}");
        }
    }
    let config = with_secret("\"hunter2\"").config();
    assert!(!format!("{config:?}").contains("hunter2"));
    let place =
        with_secret("\"a\"").env("POSTRIDER__SOURCES__ETD_US__CLIENT_SECRET__FILES", "hunter2");
    assert!(!place.told().contains("hunter2"));
    let place = with_secret("\"a\"").env("POSTRIDER__SOURCES__ETD_US__CLIENT_SECRT", "hunter2");
    assert!(!place.told().contains("hunter2"));
}
