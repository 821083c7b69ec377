//! What runs here: versions, and how this process sees the machine.

use std::path::Path;

use jiff::Timestamp;

use crate::store::tables::sqlite_version;

/// As locked; a test compares.
const RUSTLS: &str = "0.23.46";

pub(super) fn versions(file: Option<&Path>, now: Timestamp) -> String {
    let kernel = rustix::system::uname();
    let part = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
    let system = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let system = system.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    let lines = [
        ("postrider", env!("CARGO_PKG_VERSION").to_owned()),
        ("system", system.unwrap_or("unknown").trim_matches('"').to_owned()),
        ("kernel", format!("{} {}", part(kernel.sysname()), part(kernel.release()))),
        ("machine", part(kernel.machine())),
        ("processors", std::thread::available_parallelism().map_or(0, usize::from).to_string()),
        ("SQLite", sqlite_version().to_owned()),
        ("rustls", RUSTLS.to_owned()),
        ("user", rustix::process::geteuid().as_raw().to_string()),
        ("configuration", file.map_or("none named".to_owned(), |file| file.display().to_string())),
        ("made", now.to_string()),
    ];
    let lines = lines.map(|(name, value)| format!("{name:14} {value}"));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_rustls_is_the_locked_one() {
        let lock: toml::Table = include_str!("../../../Cargo.lock").parse().unwrap();
        let packages = lock["package"].as_array().unwrap();
        let rustls = packages.iter().find(|package| package["name"].as_str() == Some("rustls"));
        assert_eq!(rustls.unwrap()["version"].as_str(), Some(RUSTLS));
    }
}
