//! `--filter KEY=VALUE`: pure.

use crate::{
    config::{Vendor, nearest, one_of},
    domain::filter::{DIRECTIONS, Filter, VERDICTS},
};

const KEYS: [&str; 6] = ["verdicts", "directions", "subject", "filename", "file_sha256", "url"];

/// What the search is narrowed to, or what is wrong with it.
pub(super) fn parse(vendor: &Vendor, given: &[String]) -> Result<Filter, String> {
    let mut filter = Filter::default();
    if given.is_empty() {
        return Ok(filter);
    }
    match vendor {
        Vendor::CiscoEtd(_) => {}
        Vendor::ProofpointSer(_) | Vendor::ProofpointSerAdmin(_) => {
            return Err(
                "--filter: Proofpoint SER has no filters; its answers are whole hours".into()
            );
        }
    }
    for pair in given {
        let Some((key, value)) = pair.split_once('=') else {
            return Err(format!("--filter {pair}: write KEY=VALUE, such as verdicts=phishing"));
        };
        let (key, value) = (key.trim(), value.trim());
        if value.is_empty() {
            return Err(format!("--filter {pair}: the value is empty"));
        }
        let text = match key {
            "verdicts" => {
                words(&mut filter.verdicts, value, &VERDICTS, "verdict")?;
                continue;
            }
            "directions" => {
                words(&mut filter.directions, value, &DIRECTIONS, "direction")?;
                continue;
            }
            "subject" => &mut filter.subject,
            "filename" => &mut filter.filename,
            "file_sha256" => &mut filter.file_sha256,
            "url" => &mut filter.url,
            other => {
                let hint = nearest(other, KEYS).map_or_else(
                    || format!("use one of {}", KEYS.join(", ")),
                    |near| format!("did you mean {near}?"),
                );
                return Err(format!("--filter {pair}: there is no filter {other:?}; {hint}"));
            }
        };
        if !text.is_empty() {
            return Err(format!("--filter {pair}: the vendor takes one {key} only"));
        }
        value.clone_into(text);
    }
    Ok(filter)
}

/// Adds words, which commas may part, as the vendor writes them.
fn words(list: &mut Vec<String>, given: &str, known: &[&str], what: &str) -> Result<(), String> {
    for word in given.split(',').map(str::trim) {
        let found =
            known.iter().find(|known| known.eq_ignore_ascii_case(word)).ok_or_else(|| {
                let hint = nearest(word, known.iter().copied()).map_or_else(
                    || format!("write {}", one_of(known)),
                    |near| format!("did you mean {near}?"),
                );
                format!("--filter {what}s={given}: {word:?} is not a {what}; {hint}")
            })?;
        if !list.iter().any(|word| word == found) {
            list.push((*found).to_owned());
        }
    }
    Ok(())
}

/// A filter as it was given.
pub(super) fn text(filter: &Filter) -> String {
    let lists = [("verdicts", &filter.verdicts), ("directions", &filter.directions)];
    let texts = [
        ("subject", &filter.subject),
        ("filename", &filter.filename),
        ("file_sha256", &filter.file_sha256),
        ("url", &filter.url),
    ];
    let lists = lists.iter().map(|(key, list)| (key, list.join(",")));
    let texts = texts.iter().map(|(key, text)| (key, (*text).clone()));
    let given = lists.chain(texts).filter(|(_, value)| !value.is_empty());
    given.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{CiscoEtd, Secret};

    fn etd() -> Vendor {
        Vendor::CiscoEtd(CiscoEtd {
            base_url: String::new(),
            client_id: String::new(),
            client_secret: Secret::plain(""),
            api_key: None,
            page_size: 100,
            filter: Filter::default(),
            reconcile: false,
            log_export: false,
        })
    }

    fn parsed(given: &[&str]) -> Result<String, String> {
        let given: Vec<String> = given.iter().map(|text| (*text).to_owned()).collect();
        parse(&etd(), &given).map(|filter| text(&filter))
    }

    #[test]
    fn filters_are_read_as_the_vendor_writes_them() {
        let given = ["verdicts=phishing,BEC", "verdicts=noverdict", "subject=Re: a=b"];
        assert_eq!(parsed(&given).unwrap(), "verdicts=phishing,bec,noVerdict subject=Re: a=b");
        assert_eq!(parsed(&[]).unwrap(), "");
    }

    #[test]
    fn what_is_wrong_is_said() {
        let wrong = |given: &str| parsed(&[given]).unwrap_err();
        insta::assert_snapshot!(
            ["verdict=spam", "colour=red", "subject", "url=", "verdicts=fishing", "directions=up"]
                .map(wrong)
                .join("\n"),
            @r#"
        --filter verdict=spam: there is no filter "verdict"; did you mean verdicts?
        --filter colour=red: there is no filter "colour"; use one of verdicts, directions, subject, filename, file_sha256, url
        --filter subject: write KEY=VALUE, such as verdicts=phishing
        --filter url=: the value is empty
        --filter verdicts=fishing: "fishing" is not a verdict; did you mean phishing?
        --filter directions=up: "up" is not a direction; write "incoming", "outgoing", "internal" or "mixed"
        "#
        );
        assert!(parsed(&["url=a", "url=b"]).unwrap_err().contains("one url only"));
    }
}
