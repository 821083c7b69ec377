//! The secrets that the configuration leads to, taken out of every text: the second net under what
//! shows no secret by itself.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use zeroize::Zeroizing;

use super::configuration::is_name;

/// Shorter ones would take ordinary words out, and are no secrets.
const SHORTEST: usize = 4;
/// Larger files hold no secret of ours.
const LARGEST: u64 = 64 << 10;
const MASK: &str = "[secret]";
/// How a variable's name begins that sets a value of the configuration.
const PREFIX: &str = "POSTRIDER__";

/// Keys whose values are secrets, as the schema has them.
pub(super) fn keys() -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    properties(&crate::config::schema(), &mut |key, value| {
        if value["$ref"] == "#/$defs/Secret" {
            keys.insert(key.to_owned());
        }
    });
    keys
}

/// Tells each property of a schema, at any depth.
pub(super) fn properties(
    schema: &serde_json::Value,
    tell: &mut impl FnMut(&str, &serde_json::Value),
) {
    if let Some(found) = schema["properties"].as_object() {
        found.iter().for_each(|(key, value)| tell(key, value));
    }
    match schema {
        serde_json::Value::Object(members) => {
            members.values().for_each(|value| properties(value, tell));
        }
        serde_json::Value::Array(values) => values.iter().for_each(|value| properties(value, tell)),
        _ => {}
    }
}

/// What is to be in no text, the longest first.
#[derive(Default)]
pub(super) struct Secrets(Vec<Zeroizing<String>>);

impl Secrets {
    /// Those of a file's tree and of the environment.
    pub(super) fn find(tree: Option<&toml::Table>, text: &str, env: &[(String, String)]) -> Self {
        let (keys, mut found) = (keys(), Self::default());
        match tree {
            Some(tree) => tree.iter().for_each(|(key, value)| found.below(key, value, &keys, env)),
            None => text.lines().for_each(|line| found.guess(line, &keys, env)),
        }
        for (name, value) in env {
            found.url(name, value);
            let Some(path) = name.to_uppercase().strip_prefix(PREFIX).map(str::to_owned) else {
                continue;
            };
            let parts: Vec<String> = path.split("__").map(str::to_lowercase).collect();
            if let Some(at) = parts.iter().position(|part| keys.contains(part)) {
                found.origin(parts.get(at + 1).map(String::as_str), value, env);
            }
        }
        found.0.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        found.0.dedup();
        found
    }

    /// Of a line that cannot be understood: what stands between quotes may be a secret, or where
    /// one is.
    fn guess(&mut self, line: &str, keys: &BTreeSet<String>, env: &[(String, String)]) {
        let is_secret = keys.iter().any(|key| line.contains(key.as_str()));
        let key = line.split('=').next().unwrap_or_default().trim();
        for part in line.split(['"', '\'']).skip(1) {
            self.url(key, part);
            if is_secret {
                for form in [None, Some("file"), Some("env"), Some("credential")] {
                    self.origin(form, part.trim(), env);
                }
            }
        }
    }

    fn below(
        &mut self,
        key: &str,
        value: &toml::Value,
        keys: &BTreeSet<String>,
        env: &[(String, String)],
    ) {
        match value {
            toml::Value::String(text) if keys.contains(key) => self.add(text),
            toml::Value::Table(table) if keys.contains(key) => {
                for (form, value) in table {
                    self.origin(Some(form), value.as_str().unwrap_or_default(), env);
                }
            }
            toml::Value::String(text) => self.url(key, text),
            toml::Value::Table(table) => {
                table.iter().for_each(|(key, value)| self.below(key, value, keys, env));
            }
            toml::Value::Array(values) => {
                for value in values {
                    self.below(key, value, keys, env);
                }
            }
            _ => {}
        }
    }

    /// A secret by its form; by none it is there itself. What looks like no name is perhaps the
    /// secret in a name's place.
    fn origin(&mut self, form: Option<&str>, value: &str, env: &[(String, String)]) {
        if form.is_some_and(|form| !is_name(form, value)) {
            self.add(value);
        }
        match form {
            Some("file") => self.file(Path::new(value)),
            Some("env") => {
                let set = env.iter().filter(|(name, _)| name == value);
                set.for_each(|(_, secret)| self.add(secret));
            }
            Some("credential") => {
                let directory = env.iter().find(|(name, _)| name == "CREDENTIALS_DIRECTORY");
                if let Some((_, directory)) = directory {
                    self.file(&PathBuf::from(directory).join(value));
                }
            }
            _ => self.add(value),
        }
    }

    fn file(&mut self, path: &Path) {
        let is_small = std::fs::metadata(path).is_ok_and(|file| file.len() <= LARGEST);
        if is_small && let Ok(text) = std::fs::read_to_string(path).map(Zeroizing::new) {
            self.add(&text);
        }
    }

    /// The user and password that a URL may have. Without a scheme an `@` alone is perhaps that of
    /// an address of e-mail: the name tells, or a password.
    fn url(&mut self, name: &str, text: &str) {
        let name = name.to_uppercase();
        let is_named = name.ends_with("PROXY") || name.starts_with(PREFIX);
        let (is_url, rest) = match text.split_once("://") {
            Some((_, rest)) => (true, rest),
            None => (is_named, text),
        };
        if let Some((credentials, _)) = rest.rsplit_once('@')
            && (is_url || credentials.contains(':'))
        {
            self.add(credentials);
            if let Some((_, password)) = credentials.split_once(':') {
                self.add(password);
            }
        }
    }

    /// Remembers a secret in the forms in which it may be written.
    fn add(&mut self, secret: &str) {
        let secret = secret.trim_end_matches(['\n', '\r']);
        let lines = secret.lines().map(str::to_owned);
        let json = serde_json::Value::from(secret).to_string();
        let base64 = BASE64_STANDARD.encode(secret);
        let encoded = reqwest::Url::parse_with_params("http://a", [("a", secret)]);
        let encoded =
            encoded.ok().and_then(|url| url.query().map(|query| query.replacen("a=", "", 1)));
        let forms = [json.trim_matches('"').to_owned(), base64.trim_end_matches('=').to_owned()];
        for form in lines.chain(forms).chain(encoded).chain([secret.to_owned()]) {
            if form.trim().len() >= SHORTEST {
                self.0.push(Zeroizing::new(form.trim().to_owned()));
            }
        }
    }

    /// The text without them.
    pub(super) fn mask(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), MASK))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_knows_which_keys_are_secrets() {
        let keys: Vec<String> = keys().into_iter().collect();
        assert_eq!(keys, ["api_key", "client_secret", "key", "token"]);
    }

    #[test]
    fn each_form_of_a_secret_is_masked_in_each_spelling() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("hec");
        std::fs::write(&path, "from-a-file\n").unwrap();
        let text = format!(
            "[a]\nclient_secret = 'p\"lain/1'\napi_key = {{ env = \"KEY\" }}\ntoken = {{ file = {path:?} }}\n\
             key = {{ credential = \"hec\" }}\nproxy = \"http://me:pass%20word@proxy:1\""
        );
        let env = [
            ("KEY", "from-a-variable"),
            ("POSTRIDER__SINKS__A__TOKEN", "laid-over"),
            ("HTTPS_PROXY", "http://you:another@proxy:1"),
        ];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let secrets = Secrets::find(text.parse().ok().as_ref(), &text, &env);
        for said in [
            "p\"lain/1",
            "p\\\"lain/1",
            "p%22lain%2F1",
            "from-a-file",
            "from-a-variable",
            "laid-over",
            "pass%20word",
            "another",
            "cCJsYWluLzE",
        ] {
            assert_eq!(secrets.mask(&format!("<{said}>")), "<[secret]>", "{said}");
        }
        assert_eq!(secrets.mask("a proxy is named"), "a proxy is named");
        let broken = Secrets::find(None, &format!("token = \"half a line\n{text}"), &env);
        for said in ["half a line", "from-a-file", "from-a-variable", "laid-over", "another"] {
            assert_eq!(broken.mask(said), "[secret]", "{said}");
        }
    }

    #[test]
    fn a_secret_in_the_place_of_a_name_is_masked() {
        let text = "[a]\nclient_secret = { env = \"S3cr3t-Value9\" }\n\
             api_key = { file = \"An0ther-Value\" }\ntoken = { credential = \"Th1rd-Value\" }\n\
             key = { credential = \"a-name\" }";
        let env = [("POSTRIDER__SINKS__A__TOKEN__ENV".to_owned(), "F0urth-Value".to_owned())];
        for tree in [text.parse().ok(), None] {
            let secrets = Secrets::find(tree.as_ref(), text, &env);
            for said in ["S3cr3t-Value9", "An0ther-Value", "Th1rd-Value", "F0urth-Value"] {
                assert_eq!(secrets.mask(&format!("the file {said} is")), "the file [secret] is");
            }
        }
        let secrets = Secrets::find(text.parse().ok().as_ref(), text, &[]);
        assert_eq!(secrets.mask("a-name"), "a-name");
    }

    #[test]
    fn an_address_of_e_mail_is_no_credentials() {
        let env = |name: &str, value: &str| {
            let env = [(name.to_owned(), value.to_owned())];
            Secrets::find(None, "", &env)
        };
        let text = "[a]\nclient_id = \"postrider@example.org\"\nname = \"<postrider@b.c>\"";
        let file = |text: &str| Secrets::find(text.parse().ok().as_ref(), text, &[]);
        for secrets in [env("EMAIL", "postrider@example.org"), file(text)] {
            assert_eq!(secrets.mask("postrider 0.1.0"), "postrider 0.1.0");
        }
        for secrets in [
            env("https_proxy", "hidden@proxy:1"),
            env("POSTRIDER__SINKS__A__PROXY", "hidden@proxy:1"),
            env("ELSEWHERE", "http://hidden@proxy:1"),
            file("proxy = \"hidden@proxy:1\""),
            file("endpoints = [\"me:hidden@splunk:1\"]"),
            Secrets::find(None, "proxy = 'hidden@proxy:1'\n=", &[]),
        ] {
            assert_eq!(secrets.mask("<hidden>"), "<[secret]>");
        }
    }
}
