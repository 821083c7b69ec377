//! What packages install beside the program: the manual's pages and completions.

use std::{path::Path, process::Command};

use crate::harness::{Home, skipped};

/// Runs a checker on a file; what it complains of. `None` where it is not installed.
fn complaints(checker: &[&str], file: &Path) -> Option<String> {
    let mut command = Command::new(checker[0]);
    // As `man` wants it: UTF-8, and wide enough for every word.
    command.args(&checker[1..]).arg(file).env("LC_ALL", "C.UTF-8").env("MANWIDTH", "120");
    match command.output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        output => {
            let output = output.unwrap();
            let status = if output.status.success() { "" } else { "failed: " };
            // mandoc says on standard output what it found, the others on standard error.
            let said = if checker[0] == "mandoc" { output.stdout } else { output.stderr };
            Some(format!("{status}{}", String::from_utf8_lossy(&said)))
        }
    }
}

#[tokio::test]
async fn completions_of_each_shell_can_be_read_by_it() {
    let home = Home::new();
    for (shell, checker) in [
        ("bash", vec!["bash", "-n"]),
        ("zsh", vec!["zsh", "-n"]),
        ("fish", vec!["fish", "--no-execute"]),
    ] {
        let ended = home.run(&["completions", shell]).await;
        assert_eq!(ended.status, Some(0), "{}", ended.stderr);
        assert!(ended.stdout.contains("dead-letters"), "{shell}");
        let file = home.path(shell);
        std::fs::write(&file, ended.stdout).unwrap();
        match complaints(&checker, &file) {
            Some(complaints) => assert_eq!(complaints, "", "{shell}"),
            None => skipped(&format!("its completions are not read: install {shell}")),
        }
    }
    assert_eq!(home.run(&["completions", "tcsh"]).await.status, Some(2));
}

#[tokio::test]
async fn each_command_has_a_page_without_a_warning() {
    let home = Home::new();
    let mut command = home.command(&["man", "pages"]);
    let output = command.env("SOURCE_DATE_EPOCH", "1763769600").output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    for name in ["postrider", "postrider-status", "postrider-dead-letters-replay"] {
        assert!(home.path("pages").join(format!("{name}.1")).exists(), "{name}");
    }
    let main = home.read("pages/postrider.1");
    for section in ["EXIT STATUS", "FILES", "ENVIRONMENT", "SEE ALSO", "2025-11-22"] {
        assert!(main.contains(section), "{section}");
    }
    let mut absent = std::collections::BTreeSet::new();
    for page in std::fs::read_dir(home.path("pages")).unwrap() {
        let page = page.unwrap().path();
        for checker in [&["mandoc", "-Tlint", "-Wwarning"][..], &["man", "--warnings", "-l"]] {
            match complaints(checker, &page) {
                Some(complaints) => assert_eq!(complaints, "", "{}", page.display()),
                None => _ = absent.insert(checker[0]),
            }
        }
    }
    if absent.len() == 2 {
        skipped("the manual's pages are not looked at: install mandoc or man-db");
    }
}
