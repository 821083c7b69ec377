//! The configuration as its users meet it: files and variables in, problems out.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use tempfile::TempDir;

use super::*;

mod examples;
mod overlay;
mod problems;
mod secrets;

/// A sound configuration to which tests add.
const ETD: &str = r#"[sources.etd-us]
type = "cisco_etd"
region = "us"
client_id = "id"
client_secret = "hunter2"
"#;

const STDOUT: &str = r#"[sinks.out]
type = "stdout"
"#;

fn now() -> Timestamp {
    "2026-11-22T02:07:00Z".parse().unwrap()
}

/// A directory with a configuration in it.
struct Place {
    dir: TempDir,
    env: Vec<(String, String)>,
}

impl Place {
    fn with(text: &str) -> Self {
        let place = Self { dir: TempDir::new().unwrap(), env: Vec::new() };
        place.put("postrider.toml", text, 0o600);
        place
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn put(&self, name: &str, text: &str, mode: u32) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // `DIR` in a configuration stands for the directory.
        fs::write(&path, text.replace("DIR", &self.dir.path().display().to_string())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn load(&self) -> Result<Loaded, Problems> {
        load(Some(&self.path("postrider.toml")), self.env.clone(), now())
    }

    fn config(&self) -> Config {
        self.load().unwrap_or_else(|problems| panic!("{problems}")).config
    }

    /// What a terminal would show.
    fn told(&self) -> String {
        let text = match self.load() {
            Ok(loaded) => Problems::from(loaded.warnings).to_string(),
            Err(problems) => problems.to_string(),
        };
        text.replace(&self.dir.path().display().to_string(), "DIR")
    }
}

fn told(text: &str) -> String {
    Place::with(text).told()
}

fn source<'c>(config: &'c Config, name: &str) -> &'c Source {
    &config.sources[&name.parse().unwrap()]
}

fn sink<'c>(config: &'c Config, name: &str) -> &'c Sink {
    &config.sinks[&name.parse().unwrap()]
}

#[test]
fn defaults_are_those_of_the_contract() {
    let config = Place::with(&format!(
        "{ETD}[sources.ser]\ntype = \"proofpoint_ser\"\nclient_id = \"id\"\nclient_secret = \"s\"\n\
         [sinks.hec]\ntype = \"splunk_hec\"\nendpoints = [\"https://splunk:8088/\"]\ntoken = \"t\"\n\
         [sinks.log]\ntype = \"syslog\"\naddress = \"siem:514\"\ntransport = \"udp\"\n\
         [sinks.file]\ntype = \"file\"\npath = \"/x\"\n{STDOUT}"
    ))
    .config();
    insta::assert_debug_snapshot!(config);
}

#[test]
fn without_a_file_the_environment_must_configure_something() {
    let default = Path::new("/nonexistent/postrider.toml");
    let env = |name: &str| [(name.to_owned(), String::new())].into();
    assert_eq!(default_file(default, &env("POSTRIDER__LOG__LEVEL")), None);
    assert_eq!(default_file(default, &env("POSTRIDER_CONFIG")), Some(default.to_owned()));
    assert_eq!(default_file(Path::new("/"), &env("POSTRIDER__A")), Some("/".into()));
}

#[test]
fn the_sections_have_no_more_than_the_file_says() {
    let config = Place::with(&format!(
        "{ETD}start = 2026-11-01T00:00:00Z\nlag = \"1s\"\nslice = \"1s\"\nschedule = {{ cron = \"0 */5 * * * *\" }}\n\
         resweep = []\nrate_limit = {{ per_minute = 30 }}\ntags = {{ Tenant = \"acme\" }}\n\
         [sinks.out]\ntype = \"stdout\"\nsources = [\"etd-us\"]\nstreams = [\"messages\", \"health\"]\nverdicts = [\"noVerdict\", \"BEC\"]\n"
    ))
    .config();
    let etd = source(&config, "etd-us");
    assert_eq!(etd.start, Start::At("2026-11-01T00:00:00Z".parse().unwrap()));
    assert_eq!((etd.lag, etd.slice), (Duration::from_secs(1), Duration::from_secs(1)));
    assert_eq!(etd.schedule, Schedule::Cron("0 */5 * * * *".to_owned()));
    assert_eq!(etd.resweep, []);
    assert_eq!(etd.tags["Tenant"], "acme");
    let RateLimit { calls, window, burst, per_day } = etd.rate_limit;
    assert_eq!((calls, window, burst, per_day), (30, Duration::from_secs(60), 4, Some(10_000)));
    let route = &sink(&config, "out").route;
    assert_eq!(route.sources, Some(vec!["etd-us".to_owned()]));
    assert_eq!(route.verdicts, Some(vec!["noverdict".to_owned(), "bec".to_owned()]));
}

proptest::proptest! {
    /// Whatever is written, it ends in words.
    #[test]
    fn no_text_and_no_variable_brings_it_down(
        key in "[a-z_\\[\\]\".=żé-]{0,12}",
        value in "[0-9a-zT:{}\\[\\]\",'=\n #.+_ż-]{0,30}",
        name in "POSTRIDER__(SOURCES|SINKS|[A-Zaż_.-]{0,4})(__(ETD[-_]US|OUT|[A-Zaż_.\\[-]{0,5})){0,2}(__(LAG|RESWEEP|TAGS|SOURCES|CLIENT_SECRET|[A-Zż_]{0,4})){0,2}",
        text in "[0-9a-z{}\\[\\],\"=ż ]{0,20}",
    ) {
        let place = Place::with(&format!("{ETD}{key} = {value}\n{STDOUT}")).env(&name, &text);
        proptest::prop_assert!(!place.told().is_empty());
    }
}

/// An overflowing stack would end the process without a word.
#[test]
fn deep_nesting_is_told_not_died_of() {
    let deep = 20_000;
    for text in [
        format!("{}a = 1", "a.".repeat(deep)),
        format!("[{}a]\nb = 1", "a.".repeat(deep)),
        format!("a = {}{}", "[".repeat(deep), "]".repeat(deep)),
        format!("a = {}1{}", "{ a = ".repeat(deep), "}".repeat(deep)),
    ] {
        let told = told(&format!("{ETD}{STDOUT}{text}"));
        assert!(told.starts_with("error: "), "{}", told.lines().next().unwrap_or_default());
    }
    let sound = Place::with(&format!("{ETD}{STDOUT}"));
    let name = format!("POSTRIDER{}", "__A".repeat(deep));
    assert!(sound.env(&name, "1").load().is_err());
    let sound = Place::with(&format!("{ETD}{STDOUT}"));
    let list = "[".repeat(deep) + &"]".repeat(deep);
    assert!(sound.env("POSTRIDER__SOURCES__ETD_US__RESWEEP", &list).load().is_err());
}
