//! The environment over the file.

use super::*;

fn etd() -> Place {
    Place::with(&format!("{ETD}{STDOUT}"))
}

#[test]
fn a_variable_hits_the_file_s_name_whatever_its_case_and_dashes() {
    for name in [
        "POSTRIDER__SOURCES__ETD_US__REGION",
        "postrider__sources__etd_us__region",
        "POSTRIDER__SOURCES__ETD-US__REGION",
        "Postrider__Sources__Etd-us__Region",
    ] {
        let config = etd().env(name, "de").config();
        assert_eq!(config.sources.len(), 1, "{name}");
        let Vendor::CiscoEtd(vendor) = &source(&config, "etd-us").vendor else { panic!() };
        assert_eq!(vendor.base_url, "https://api.de.etd.cisco.com", "{name}");
    }
}

#[test]
fn names_in_upper_case_and_with_double_underscores_are_found() {
    let text = format!("{ETD}{STDOUT}").replace("etd-us", "ETD__Us");
    let config = Place::with(&text).env("POSTRIDER__SOURCES__ETD__US__LAG", "9m").config();
    assert_eq!(source(&config, "ETD__Us").lag, Duration::from_secs(540));
}

#[test]
fn a_container_is_configured_by_the_environment_alone() {
    let env = [
        ("POSTRIDER__SOURCES__ETD_US__TYPE", "cisco_etd"),
        ("POSTRIDER__SOURCES__ETD_US__REGION", "in"),
        ("POSTRIDER__SOURCES__ETD_US__CLIENT_ID", "007"),
        ("POSTRIDER__SOURCES__ETD_US__CLIENT_SECRET", "0123"),
        ("POSTRIDER__SOURCES__ETD_US__API_KEY", "1e5"),
        ("POSTRIDER__SOURCES__ETD_US__PAGE_SIZE", "50"),
        ("POSTRIDER__SOURCES__ETD_US__RECONCILE", "false"),
        ("POSTRIDER__SOURCES__ETD_US__SCHEDULE__EVERY", "2m"),
        ("POSTRIDER__SOURCES__ETD_US__START", "2026-11-01T00:00:00Z"),
        ("POSTRIDER__SOURCES__ETD_US__RESWEEP", "[{ after = \"2h\", verdicts = [\"bec\"] }]"),
        ("POSTRIDER__SOURCES__ETD_US__RATE_LIMIT", "{ per_second = 1 }"),
        ("POSTRIDER__SOURCES__ETD_US__TAGS__TENANT", "01"),
        ("POSTRIDER__SOURCES__ETD_US__FILTER__VERDICTS", "bec, scam"),
        ("POSTRIDER__SINKS__HEC__TYPE", "splunk_hec"),
        ("POSTRIDER__SINKS__HEC__ENDPOINTS", "https://a:8088,https://b:8088/"),
        ("POSTRIDER__SINKS__HEC__TOKEN__ENV", "HEC"),
        ("POSTRIDER__SINKS__HEC__STREAMS", "[\"messages\"]"),
        ("POSTRIDER__SINKS__HEC__BATCH__MAX_EVENTS", "7"),
        ("POSTRIDER_CONFIG", "/not/part/of/it"),
        ("HEC", "true"),
    ];
    let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let loaded = load(None, env, now()).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(loaded.warnings, []);
    let Vendor::CiscoEtd(vendor) = &source(&loaded.config, "etd_us").vendor else { panic!() };
    assert_eq!(vendor.client_id, "007");
    assert_eq!(*vendor.client_secret.read().unwrap(), "0123");
    assert_eq!(*vendor.api_key.as_ref().unwrap().read().unwrap(), "1e5");
    insta::assert_debug_snapshot!(loaded.config);
}

#[test]
fn a_secret_that_looks_like_toml_stays_verbatim() {
    for secret in
        ["{ file = \"x\" }", "[1]", "true", "0x10", " spaced ", "a,b", "2027-01-01T00:00:00Z"]
    {
        let config = etd().env("POSTRIDER__SOURCES__ETD_US__CLIENT_SECRET", secret).config();
        let Vendor::CiscoEtd(vendor) = &source(&config, "etd-us").vendor else { panic!() };
        assert_eq!(*vendor.client_secret.read().unwrap(), secret);
    }
}

#[test]
fn a_variable_takes_the_place_of_the_file_s_alternative() {
    let config = etd()
        .env("POSTRIDER__SOURCES__ETD_US__BASE_URL", "https://etd.example.com")
        .env("POSTRIDER__SOURCES__ETD_US__CLIENT_SECRET__ENV", "SECRET")
        .env("SECRET", "s")
        .config();
    let Vendor::CiscoEtd(vendor) = &source(&config, "etd-us").vendor else { panic!() };
    assert_eq!(vendor.base_url, "https://etd.example.com");
    assert_eq!(format!("{:?}", vendor.client_secret), "Secret(env SECRET)");
}

#[test]
fn a_variable_takes_the_place_of_a_table_and_a_list() {
    let text = format!("{ETD}{STDOUT}streams = [\"nonsense\", \"more\"]\n");
    let config = Place::with(&text.replace("\"hunter2\"", "{ credential = \"etd\" }"))
        .env("POSTRIDER__SOURCES__ETD_US__CLIENT_SECRET", "0123")
        .env("POSTRIDER__SINKS__OUT__STREAMS", "*")
        .config();
    let Vendor::CiscoEtd(vendor) = &source(&config, "etd-us").vendor else { panic!() };
    assert_eq!(*vendor.client_secret.read().unwrap(), "0123");
    assert_eq!(sink(&config, "out").route.streams, None);
}

#[test]
fn problems_name_the_variable() {
    insta::assert_snapshot!(
        etd()
            .env("POSTRIDER__SOURCES__ETD_US__LAG", "6 minutes")
            .env("POSTRIDER__SOURCES__ETD_US__PAGE_SIZE", "many")
            .env("POSTRIDER__SOURCES__ETD_US__REGOIN", "us")
            .env("POSTRIDER__SOURCES__ETD_US__RECONCILE", "yes")
            .env("POSTRIDER__SOURCES__ETD_US__RESWEEP", "[{ after = \"1h\" ")
            .env("POSTRIDER__SOURCES__ETD_US__CLIENT_SECRET__ENV", "NOWHERE")
            .env("POSTRIDER__SINKS__OUT__SOURCES", "etd-us,etd-de")
            .env("POSTRIDER__STATE", "/var/lib/postrider")
            .env("POSTRIDER__LOG____LEVEL", "info")
            .env("POSTRIDER__ADMIN__LISTEN", "localhost:8686")
            .env("postrider__admin__listen", "127.0.0.1:1")
            .told()
    );
}

#[test]
fn what_the_environment_leaves_out_is_told() {
    let env = [
        ("POSTRIDER__SOURCES__ETD_US__TYPE", "cisco_etd"),
        ("POSTRIDER__SINKS__OUT__TYPE", "stdout"),
    ];
    let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
    insta::assert_snapshot!(load(None, env, now()).unwrap_err());
}

#[test]
fn a_variable_that_fits_two_names_is_refused() {
    let text = format!("{ETD}{}{STDOUT}", ETD.replace("etd-us", "etd_us"));
    insta::assert_snapshot!(Place::with(&text).env("POSTRIDER__SOURCES__ETD_US__LAG", "6m").told());
}
