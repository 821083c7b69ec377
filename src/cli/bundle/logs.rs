//! The end of the daemon's log, as far as the journal has it.

use tokio::process::Command;

use crate::{cli::layout::count, telemetry::QUOTES};

/// Lines asked for.
const LINES: &str = "2000";
/// What is more detailed than these may quote what was received.
const LEVELS: [&str; 3] = ["INFO", "WARN", "ERROR"];
const DETAILED: [&str; 2] = ["DEBUG", "TRACE"];
/// A level stands among a line's first words.
const WORDS: usize = 8;

/// What to do where there is no journal.
const ELSEWHERE: &str = "add it by hand where the daemon's standard error goes elsewhere, such as \
     `docker logs --tail 2000 postrider`";

pub(super) async fn tail() -> anyhow::Result<String> {
    let mut command = Command::new("journalctl");
    command.args(["-u", "postrider", "-n", LINES, "-o", "short-iso", "--no-pager", "-q"]);
    let output = match command.output().await {
        Ok(output) if output.status.success() => output,
        Ok(output) => anyhow::bail!("journalctl failed ({}); {ELSEWHERE}", output.status),
        Err(error) => anyhow::bail!("journalctl cannot be run ({error}); {ELSEWHERE}"),
    };
    let text = String::from_utf8_lossy(&output.stdout);
    anyhow::ensure!(
        !text.trim().is_empty(),
        "the journal has nothing of the unit postrider that this user may read; {ELSEWHERE}"
    );
    let (kept, left): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| is_kept(line));
    let left = count(left.len() as u64, "line");
    let note = format!("({left} left out: of other levels, of none, or that may quote a record)");
    Ok(kept.into_iter().chain([note.as_str()]).collect::<Vec<_>>().join("\n"))
}

/// Whether a line is the service manager's own, or of a level and from a place that quote no record.
fn is_kept(line: &str) -> bool {
    if line.contains(" systemd[") {
        return true;
    }
    if line.contains(QUOTES) {
        return false;
    }
    let json = line.split_once("\"level\":\"").and_then(|(_, rest)| rest.split('"').next());
    let level = json.or_else(|| {
        let mut words = line.split_whitespace().take(WORDS);
        words.find(|word| LEVELS.contains(word) || DETAILED.contains(word))
    });
    level.is_some_and(|level| LEVELS.contains(&level))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detailed_lines_are_left_out() {
        let begin = "2026-11-22T02:54:46+0000 host postrider[7]: ";
        let time = "2026-11-22T02:54:46.5Z";
        for (line, kept) in [
            (format!("{begin}{time}  INFO postrider: runs"), true),
            (format!("{begin}{{\"timestamp\":\"{time}\",\"level\":\"WARN\"}}"), true),
            (format!("{begin}{{\"level\":\"DEBUG\",\"fields\":{{\"message\":\"INFO\"}}}}"), false),
            (format!("{begin}{time} TRACE hyper: INFO subject"), false),
            (format!("{begin}the rest of a line"), false),
            (format!("{begin}{time}  WARN slice{{source=etd}}: {QUOTES}: subject"), false),
            (format!("{begin}{{\"level\":\"WARN\",\"target\":\"{QUOTES}\"}}"), false),
            ("2026-11-22T02:54:46+0000 host systemd[1]: Started postrider".to_owned(), true),
        ] {
            assert_eq!(is_kept(&line), kept, "{line}");
        }
    }
}
