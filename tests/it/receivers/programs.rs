//! The programs, with the configurations that stand in `deploy/syslog`.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::pki::Pki;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Program {
    Rsyslog,
    SyslogNg,
}

/// A way to a receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Udp,
    /// TCP with octet counting.
    Octets,
    /// TCP with a message a line.
    Lines,
    /// The same with the header of RFC 3164.
    Old,
    /// TLS with a client's certificate, and octet counting.
    Tls,
}

const WAYS: [Way; 5] = [Way::Udp, Way::Octets, Way::Lines, Way::Old, Way::Tls];

/// What stands in `deploy/syslog`, with ports, addresses and paths of the test's own.
pub(super) fn configuration(
    program: Program,
    directory: &Path,
    pki: &Pki,
    ports: [u16; 5],
) -> String {
    let name = if program == Program::Rsyslog { "rsyslog.conf" } else { "syslog-ng.conf" };
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/syslog").join(name);
    let mut text = std::fs::read_to_string(file).unwrap();
    let mut replace = |from: &str, to: &str| {
        assert!(text.contains(from), "{name} has no {from}");
        text = text.replace(from, to);
    };
    replace("/etc/ssl/postrider", pki.directory.path().to_str().unwrap());
    replace("/var/log/postrider", directory.to_str().unwrap());
    match program {
        Program::Rsyslog => {
            for (port, way) in [(514, Way::Udp), (601, Way::Octets), (6514, Way::Tls)] {
                let ours = format!("address=\"127.0.0.1\" port=\"{}\"", ports[way as usize]);
                replace(&format!("port=\"{port}\""), &ours);
            }
            let directory = directory.display();
            format!("global(workDirectory=\"{directory}\" processInternalMessages=\"off\")\n{text}")
        }
        Program::SyslogNg => {
            for (port, way) in [514, 601, 602, 603, 6514].into_iter().zip(WAYS) {
                let ours = format!("ip(\"127.0.0.1\") port({})", ports[way as usize]);
                replace(&format!("port({port})"), &ours);
            }
            text
        }
    }
}

/// Starts it there; `None` where it is not installed.
pub(super) fn spawn(program: Program, directory: &Path) -> Option<Child> {
    let log = File::create(directory.join("log")).unwrap();
    std::fs::remove_file(directory.join("pid")).ok();
    let mut commands = match program {
        Program::Rsyslog => vec![Command::new("/usr/sbin/rsyslogd")],
        Program::SyslogNg => vec![Command::new("/usr/sbin/syslog-ng"), unpacked()],
    };
    let path = |name: &str| directory.join(name);
    commands.iter_mut().find_map(|command| {
        command.arg("-f").arg(path("configuration"));
        match program {
            Program::Rsyslog => command.arg("-n").arg("-i").arg(path("pid")),
            Program::SyslogNg => command
                .args(["-F", "--no-caps", "-p"])
                .arg(path("pid"))
                .arg("-R")
                .arg(path("persist"))
                .arg("-c")
                .arg(path("control")),
        };
        command.current_dir(directory).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log.try_clone().unwrap());
        command.spawn().ok()
    })
}

/// syslog-ng where `install.sh` unpacks it.
fn unpacked() -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/syslog-ng/usr");
    let libraries = root.join("lib/syslog-ng");
    let mut command = Command::new(root.join("sbin/syslog-ng"));
    command.arg("--module-path").arg(modules(&libraries)).env("LD_LIBRARY_PATH", libraries);
    command
}

/// The folder that is named after syslog-ng's version.
fn modules(libraries: &Path) -> PathBuf {
    let entries = std::fs::read_dir(libraries).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).find(|path| path.is_dir()).unwrap_or_default()
}
