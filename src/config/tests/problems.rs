//! Every problem in words. The question for each snapshot: would it help a stranger?

use super::*;

const HEC: &str =
    "[sinks.hec]\ntype = \"splunk_hec\"\nendpoints = [\"https://splunk:8088\"]\ntoken = \"t\"\n";
const SER: &str =
    "[sources.ser]\ntype = \"proofpoint_ser\"\nclient_id = \"id\"\nclient_secret = \"s\"\n";
const SYSLOG: &str = "[sinks.siem]\ntype = \"syslog\"\naddress = \"siem:6514\"\n";

macro_rules! tells {
    ($($name:ident: $text:expr),* $(,)?) => {
        $( #[test] fn $name() { insta::assert_snapshot!(stringify!($name), told(&$text)); } )*
    };
}

tells! {
    nothing_configured: "",
    empty_tables: "[sources]\n[sinks]\n",
    no_sinks: ETD,
    no_sources: STDOUT,
    sources_is_no_table: format!("sources = 5\n{STDOUT}"),
    unknown_keys: format!("stat = 1\n[state]\ndirectroy = \"x\"\n[quux]\n{ETD}max-in-flight = 4\nzzzzzzzzzzz = 1\nfilter = {{ verdict = [] }}\n{STDOUT}batch = {{ max_evnts = 1 }}\nkeep = 3\n\"odd key\" = 1\n"),
    keys_of_another_type: format!("{SER}page_size = 10\n[sinks.f]\ntype = \"file\"\npath = \"/x\"\nendpoints = []\n"),
    unknown_types: format!("{}{}", ETD.replace("cisco_etd", "cisco-etd"), STDOUT.replace("stdout", "kafka")),
    missing_types: "[sources.a]\nregion = \"us\"\n[sinks.b]\n",
    missing_keys: "[sources.a]\ntype = \"cisco_etd\"\n[sources.b]\ntype = \"proofpoint_ser\"\n[sinks.c]\ntype = \"splunk_hec\"\n[sinks.d]\ntype = \"syslog\"\n[sinks.e]\ntype = \"file\"\n",
    wrong_types: format!("[admin]\nlisten = 8686\nallow_unauthenticated = \"yes\"\n{ETD}lag = 5\npage_size = \"100\"\nmax_in_flight = 2.5\nreconcile = 1\ntags = {{ tenant = 1 }}\nresweep = {{ after = \"1h\" }}\nschedule = \"1m\"\ntls = true\n{STDOUT}sources = \"etd-us\"\nstreams = [1]\n"),
    bad_values: format!("[state]\nmax_spool = \"2GB\"\n[log]\nlevel = \"loud=very=much\"\nformat = \"txt\"\n{ETD}lag = \"6 minutes\"\nslice = \"PT1H\"\nstart = \"yesterday\"\ncredentials_expire = 2027-03-01\n{STDOUT}batch = {{ max_bytes = \"1 MB\" }}\n"),
    zeros: format!("[state]\nmax_spool = \"0B\"\n{ETD}schedule = {{ every = \"0s\" }}\nslice = \"0m\"\npage_size = 0\nmax_in_flight = 0\nrate_limit = {{ per_second = 0, burst = 0, per_day = -1 }}\n{STDOUT}batch = {{ max_events = 0, max_bytes = \"0KiB\", max_age = \"0s\" }}\n"),
    cron_never: format!("{ETD}schedule = {{ cron = \"0 0 0 30 2 *\" }}\n{STDOUT}"),
    cron_five_fields: format!("{ETD}schedule = {{ cron = \"*/5 * * * *\" }}\n{STDOUT}"),
    cron_nonsense: format!("{ETD}schedule = {{ cron = \"0 61 * * * *\" }}\n{STDOUT}"),
    cron_nickname: format!("{ETD}schedule = {{ cron = \"@hourly\" }}\n{STDOUT}"),
    schedule_of_both: format!("{ETD}schedule = {{ every = \"1m\", cron = \"0 * * * * *\" }}\n{STDOUT}"),
    rate_limit_of_both: format!("{ETD}rate_limit = {{ per_second = 1, per_minute = 60 }}\n{STDOUT}"),
    region_and_base_url: format!("{ETD}base_url = \"https://api.example.com\"\n{STDOUT}"),
    unknown_region: format!("{}{STDOUT}", ETD.replace("\"us\"", "\"eu\"")),
    etd_limits: format!("{ETD}slice = \"32d\"\nstart = \"90d\"\npage_size = 101\nresweep = [{{ after = \"90d\" }}]\n{STDOUT}"),
    etd_start_before_retention: format!("{ETD}start = 2026-01-01T00:00:00Z\n{STDOUT}"),
    start_in_the_future: format!("{ETD}start = 2027-01-01T00:00:00Z\n{STDOUT}"),
    two_sinks_one_file: format!("{ETD}[sinks.a]\ntype = \"file\"\npath = \"DIR/events.jsonl\"\n[sinks.b]\ntype = \"file\"\npath = \"DIR/./x/../events.jsonl\"\n"),
    sink_that_nothing_feeds: format!("{ETD}{SER}{STDOUT}sources = [\"etd-us\"]\nstreams = [\"summary\"]\n"),
    sink_with_empty_filters: format!("{ETD}{STDOUT}sources = []\n"),
    sink_with_no_verdicts: format!("{ETD}{STDOUT}verdicts = []\n"),
    sink_with_no_streams: format!("{ETD}{STDOUT}streams = []\n"),
    unknown_source: format!("{ETD}{SER}{STDOUT}sources = [\"etd_us\"]\n"),
    unknown_stream: format!("{ETD}{STDOUT}streams = [\"message\"]\n"),
    unknown_words: format!("{ETD}filter = {{ verdicts = [\"phising\"], directions = [\"inbound\"] }}\n{STDOUT}verdicts = [\"quantum\"]\n"),
    only_unknown_verdicts: format!("{ETD}filter = {{ verdicts = [\"quantum\"] }}\n{STDOUT}"),
    plain_http: format!("{}base_url = \"http://10.0.0.1:80\"\n{SER}base_url = \"http://ser.example.com\"\ntoken_url = \"http://ser.example.com/token\"\n{}", ETD.replace("region = \"us\"\n", ""), HEC.replace("https", "http")),
    plain_http_to_loopback: format!("{ETD}{}", HEC.replace("https://splunk", "http://127.0.0.1")),
    plain_http_allowed: format!("{ETD}{}allow_plain_http = true\n", HEC.replace("https", "http")),
    bad_urls: format!("{SER}base_url = \"ser.example.com\"\ntoken_url = \"https://user:pass@ser.example.com\"\nsummary_path = \"v1/report\"\nproxy = \"proxy.example.com:3128\"\n{}", HEC.replace("\"https://splunk:8088\"", "\"https://splunk:8088/services/collector/event\", \"ftp://splunk\", \"https://splunk?x=1\", \"\"")),
    no_endpoints: format!("{ETD}{}", HEC.replace("\"https://splunk:8088\"", "")),
    bad_addresses: format!("{ETD}{}[sinks.b]\ntype = \"syslog\"\naddress = \"siem:port\"\n[sinks.c]\ntype = \"syslog\"\naddress = \"2001:db8::1:514\"\n[sinks.d]\ntype = \"syslog\"\naddress = \"tcp://siem:514\"\n", SYSLOG.replace(":6514", "")),
    admin_beyond_loopback: format!("[admin]\nlisten = \"0.0.0.0:8686\"\n{ETD}{STDOUT}"),
    admin_with_token: format!("[admin]\nlisten = \"0.0.0.0:8686\"\ntoken = \"t\"\n{ETD}{STDOUT}"),
    client_cert_without_key: format!("{ETD}tls = {{ client_cert = \"DIR/postrider.toml\" }}\n{HEC}tls = {{ client_key = \"DIR/postrider.toml\" }}\n"),
    missing_ca_file: format!("{ETD}tls = {{ ca_file = \"DIR/nowhere.pem\" }}\n{STDOUT}"),
    credentials_expired: format!("{ETD}credentials_expire = 2026-11-01T00:00:00Z\n{SER}credentials_expire = \"2026-12-01T00:00:00Z\"\n{STDOUT}"),
    payload_settings_without_effect: format!("{ETD}{SYSLOG}payload = \"leef\"\nleef_version = \"1.0\"\n[sinks.b]\ntype = \"syslog\"\naddress = \"siem:514\"\npayload = \"cef\"\nleef_version = \"1.0\"\nschema = \"ecs\"\n"),
    syslog_settings_without_effect: format!("{ETD}{SYSLOG}transport = \"udp\"\nframing = \"newline\"\ntls = {{}}\nmax_message = \"64KiB\"\n"),
    syslog_message_too_small: format!("{ETD}{SYSLOG}max_message = \"100B\"\n"),
    keep_without_rotation: format!("{ETD}[sinks.f]\ntype = \"file\"\npath = \"/x\"\nrotation = \"never\"\nkeep = 3\n"),
    privacy_of_unknown_members: format!("{ETD}{STDOUT}privacy = {{ drop = [\"subjct\", \"postrider.previous\"], hash = [\"mailbox\"], key = \"0123456789abcdef\" }}\n"),
    privacy_without_a_key: format!("{ETD}{STDOUT}[sinks.out.privacy]\ndrop = [\"subject\"]\nhash = [\"subject\", \"sender\"]\nkye = 1\n"),
    privacy_with_a_short_key: format!("{ETD}{STDOUT}privacy = {{ hash = [\"subject\"], key = \"short\" }}\n"),
    privacy_without_effect: format!("{ETD}{STDOUT}privacy = {{ key = \"0123456789abcdef\", keep_domain = true }}\n"),
    tables_with_settings_of_lines: format!("{SER}[sinks.bi]\ntype = \"file\"\nformat = \"csv\"\npath = \"DIR/bi\"\nrotation = \"never\"\nkeep = 3\nschema = \"ecs\"\nstreams = [\"summary\", \"health\"]\n"),
    tables_of_nothing: format!("{ETD}[sinks.bi]\ntype = \"file\"\nformat = \"parquet\"\n[sinks.b]\ntype = \"file\"\nformat = \"xlsx\"\npath = \"/x\"\n"),
    ser_resweep_by_verdict: format!("{SER}resweep = [{{ after = \"1h\", verdicts = [\"bec\"] }}, {{}}]\n{STDOUT}"),
    reserved_name: format!("{}{STDOUT}", ETD.replace("etd-us", "postrider")),
    sink_of_own_health: format!("{ETD}{STDOUT}sources = [\"postrider\"]\n"),
    bad_names: format!("{}{STDOUT}", ETD.replace("etd-us", "\"etd us\"")),
    syntax_error: format!("{ETD}lag = \n{STDOUT}"),
    several_syntax_errors: format!("{ETD}lag = 6m\n{STDOUT}streams = [\"messages\"\nverdicts = x\n"),
    duplicate_key: format!("{ETD}region = \"de\"\n{STDOUT}"),
}

#[test]
fn a_named_file_that_is_missing_is_told() {
    let error = load(Some(Path::new("/nonexistent/postrider.toml")), [], now()).unwrap_err();
    insta::assert_snapshot!(error);
}

#[test]
fn problems_serialise_for_machines() {
    let place = Place::with(&format!("{ETD}lga = \"6m\"\n{STDOUT}verdicts = [\"quantum\"]\n"))
        .env("POSTRIDER__STATE__MAX_SPOOL", "2GB");
    let problems = place.load().unwrap_err();
    let text = serde_json::to_string_pretty(&problems).unwrap();
    insta::assert_snapshot!(text.replace(&place.dir.path().display().to_string(), "DIR"));
}

#[test]
fn columns_count_characters() {
    let text = format!("{ETD}filter = {{ subject = \"żółw\", subjekt = 1 }}\n{STDOUT}");
    insta::assert_snapshot!(told(&text));
}
