//! `--watch` where there is no terminal, and `status` in one.

use crate::harness::{Home, etd, plain, simulate, skipped, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_goes_on_without_a_store_and_with_one() {
    let (vendor, home) = (simulate(plain(20)).await, Home::new());
    home.configure(&[etd(&vendor.etd_url, ""), home.file_sink()]);
    let table = home.start(&["status", "--watch", "1"]);
    let said = |words: &str| home.read("stdout.log").contains(words);
    until("no store", || said("there is no store in").then_some(())).await;
    home.once().await;
    until("collecting", || said("etd messages   collecting").then_some(())).await;
    until("another block", || {
        let text = home.read("stdout.log");
        (text.matches("\n\nno daemon runs on this store").count() > 1).then_some(())
    })
    .await;
    assert!(!said("\u{1b}"), "no colours and no cursor into a file");
    table.signal("INT");
    assert_eq!(table.ended().await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_json_each_line_is_a_document() {
    let (vendor, home) = (simulate(plain(20)).await, Home::new());
    home.configure(&[etd(&vendor.etd_url, ""), home.file_sink()]);
    let watch = home.start(&["coverage", "--watch", "1", "--output", "json"]);
    let documents = || -> Vec<serde_json::Value> {
        let text = home.read("stdout.log");
        text.split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    until("an error", || documents().last()?["error"].as_str().map(drop)).await;
    home.once().await;
    until("a report", || documents().last()?["sources"].as_array().map(drop)).await;
    watch.signal("TERM");
    assert_eq!(watch.ended().await, Some(0));
}

/// A terminal by `script`, which Debian's util-linux or bsdutils has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_terminal_is_left_as_it_was_and_coloured_unless_told_otherwise() {
    let (vendor, home) = (simulate(plain(20)).await, Home::new());
    home.configure(&[etd(&vendor.etd_url, ""), home.file_sink()]);
    home.once().await;
    let program = env!("CARGO_BIN_EXE_postrider");
    let in_terminal = |args: &str, env: &'static [(&str, &str)]| {
        let line = format!("stty rows 12 cols 80; {program} --config postrider.toml {args}");
        let mut command = tokio::process::Command::new("script");
        command.args(["-qec", &line, "/dev/null"]).current_dir(home.root());
        command.env("TERM", "xterm-256color").envs(env.iter().copied());
        command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
        command.stdin(std::process::Stdio::null()).kill_on_drop(true);
        command.envs(env.iter().copied());
        command
    };
    let Ok(output) = in_terminal("status", &[]).output().await else {
        skipped("colours are not looked at: install bsdutils, which has `script`");
        return;
    };
    let text = |output: std::process::Output| String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text(output).contains("\u{1b}[32mcollecting"));
    let plain = text(in_terminal("status", &[("NO_COLOR", "1")]).output().await.unwrap());
    assert!(plain.contains("collecting") && !plain.contains('\u{1b}'), "{plain}");
    let watch =
        "status --watch 1 & watch=$!; sleep 2; kill -INT $watch; wait $watch; echo ended $?";
    let seen = text(in_terminal(watch, &[]).output().await.unwrap());
    let (before, after) = seen.split_once("\u{1b}[?1049l").expect(&seen);
    let before = before.split_once("\u{1b}[?1049h").expect(&seen).1;
    assert!(before.contains("Ctrl-C ends it"), "{seen}");
    assert!(before.contains("more lines: make the terminal higher"), "{seen}");
    assert!(after.contains("ended 0"), "{seen}");
}
