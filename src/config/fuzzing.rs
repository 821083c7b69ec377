//! Configurations, arbitrary, for `crate::fuzzing`.

use std::collections::BTreeMap;

use super::{Need, load::checked, units};
use crate::{collect::fuzzing::COLLECTED_AT, fuzzing::parts};

/// A file's text, then the environment as a process has it: `NAME=VALUE`, each behind a NUL.
pub fn configuration(bytes: &[u8]) {
    let mut parts = parts(bytes);
    let text = parts.next().and_then(|text| std::str::from_utf8(text).ok());
    let variable = |part| {
        let (name, value) = std::str::from_utf8(part).ok()?.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    };
    let env: BTreeMap<String, String> = parts.filter_map(variable).collect();
    let problems = match checked(Need::Secrets, text, None, &env, COLLECTED_AT) {
        Ok(loaded) => {
            // What holds is shown to people.
            assert!(!format!("{loaded:?}").is_empty());
            loaded.warnings
        }
        Err(problems) => {
            assert!(problems.iter().next().is_some(), "refused without a reason");
            problems.into_vec()
        }
    };
    for problem in problems {
        assert!(!problem.message.is_empty(), "{problem}");
        assert!(!problem.message.contains(char::is_control), "{problem}");
    }
}

/// Durations, sizes, times and cron expressions.
pub fn units(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(duration) = units::duration(&text) {
        if duration.subsec_millis() == 0 {
            assert_eq!(units::duration(&units::spoken(duration)), Ok(duration));
        }
        // What is done with it.
        assert!(COLLECTED_AT.checked_sub(duration).is_ok());
    }
    if let Ok(bytes) = units::size(&text) {
        assert!(text.starts_with(|c: char| c.is_ascii_digit()), "{bytes} of {text:?}");
    }
    if let Ok(at) = units::time(&text) {
        assert_eq!(units::time(&at.to_string()), Ok(at));
    }
    if units::cron(&text, COLLECTED_AT).is_ok() {
        let last = units::last_tick(&text, COLLECTED_AT);
        assert!(last.is_none_or(|last| last <= COLLECTED_AT), "{last:?}");
    }
}
