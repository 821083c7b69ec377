//! Under systemd: what the service manager is told, and the unit that is shipped.

use std::{os::unix::net::UnixDatagram, path::Path, process::Command, time::Duration};

use crate::harness::{Home, etd, plain, simulate, skipped};

const EACH_SECOND: &str = "schedule = { every = \"1s\" }\nlag = \"6m\"";

/// Waits for a message that has this line; gives those before it.
fn told(socket: &UnixDatagram, line: &str) -> Vec<String> {
    let mut before = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let length =
            socket.recv(&mut buffer).unwrap_or_else(|_| panic!("never {line}: {before:?}"));
        let message = String::from_utf8(buffer[..length].to_vec()).unwrap();
        if message.lines().any(|it| it == line) {
            return before;
        }
        before.push(message);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_manager_is_told_of_start_reload_life_and_stop() {
    let simulation = simulate(plain(5)).await;
    let home = Home::new();
    home.configure(&[etd(&simulation.etd_url, EACH_SECOND), home.file_sink()]);
    let socket = UnixDatagram::bind(home.path("notify")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let path = home.path("notify").display().to_string();
    let env = [("NOTIFY_SOCKET", path.as_str()), ("WATCHDOG_USEC", "400000")];
    let process = home.start_with(&["run"], &env);
    tokio::task::block_in_place(|| {
        told(&socket, "READY=1");
        told(&socket, "WATCHDOG=1");
        told(&socket, "WATCHDOG=1");
        process.signal("HUP");
        told(&socket, "RELOADING=1");
        told(&socket, "READY=1");
        process.signal("TERM");
        told(&socket, "STOPPING=1");
    });
    assert_eq!(process.ended().await, Some(0));
    let unusable = home.read("postrider.toml") + "[nonsense]\n";
    std::fs::write(home.path("postrider.toml"), unusable).unwrap();
    assert_eq!(home.start_with(&["run"], &env).ended().await, Some(2));
    socket.set_nonblocking(true).unwrap();
    let mut buffer = [0; 4096];
    while let Ok(length) = socket.recv(&mut buffer) {
        assert!(!String::from_utf8_lossy(&buffer[..length]).contains("READY"), "it did not start");
    }
}

/// The unit with the program that was built.
fn unit(home: &Home) -> std::path::PathBuf {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/systemd/postrider.service");
    let text = std::fs::read_to_string(shipped).unwrap();
    let path = home.path("postrider.service");
    let built = text.replace("/usr/bin/postrider", env!("CARGO_BIN_EXE_postrider"));
    assert_ne!(built, text);
    // The manual is the package's.
    std::fs::write(&path, built.replace("Documentation=man:postrider(1)\n", "")).unwrap();
    path
}

fn analyze(arguments: &[&str], unit: &Path) -> Option<(bool, String)> {
    let output = Command::new("systemd-analyze").args(arguments).arg(unit).output();
    let Ok(output) = output else {
        skipped("the unit is not looked at: install systemd, which has systemd-analyze");
        return None;
    };
    let said = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
}

#[test]
fn the_unit_is_a_good_one() {
    let home = Home::new();
    let Some((good, said)) = analyze(&["verify", "--recursive-errors=no"], &unit(&home)) else {
        return;
    };
    let of_ours = said.lines().filter(|line| line.contains("postrider")).collect::<Vec<_>>();
    assert!(good && of_ours.is_empty(), "{said}");
}

#[test]
fn the_unit_exposes_little() {
    let home = Home::new();
    let arguments = ["security", "--offline=true", "--no-pager", "--threshold=15"];
    let Some((good, said)) = analyze(&arguments, &unit(&home)) else { return };
    assert!(good, "an exposure of 1.5 is the most: {said}");
    assert!(said.contains("Overall exposure level"), "{said}");
}
