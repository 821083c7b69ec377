//! What `status` must say after a run.

use serde_json::Value;

/// The entry of a source or sink.
pub(crate) fn part<'a>(status: &'a Value, name: &str) -> &'a Value {
    let of = |list: &str, key: &str| {
        status[list].as_array().unwrap().iter().find(|part| part[key] == name)
    };
    of("sources", "source").or_else(|| of("sinks", "sink")).expect("named in the status")
}

/// Nothing is left to collect or to deliver.
pub(crate) fn assert_settled(status: &Value) {
    for source in status["sources"].as_array().unwrap() {
        for count in ["open_slices", "failing_slices", "lost_slices", "refused_slices"] {
            assert_eq!(source[count], 0, "{count}: {source}");
        }
    }
    for sink in status["sinks"].as_array().unwrap() {
        assert_eq!(sink["waiting"], 0, "{sink}");
        assert_eq!(sink["dead_letters"], 0, "{sink}");
    }
    assert_eq!(status["spool"]["events"], 0, "{}", status["spool"]);
    assert_eq!(status["spool"]["bytes"], 0, "{}", status["spool"]);
}
