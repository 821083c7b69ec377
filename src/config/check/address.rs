//! Where peers and files are, and how they are trusted.

use std::{
    net::IpAddr,
    path::{Component, Path, PathBuf},
};

use reqwest::Url;

use crate::config::{
    Http, Tls,
    node::{Context, Key},
    raw::{HttpKeys, TlsKeys},
};

/// Checks a URL and takes the trailing slash off. No message quotes it, since it may hold a
/// password.
pub(super) fn url(cx: &Context<'_>, path: &str, text: &str, plain: &Key<bool>) -> Option<String> {
    let url = parse(cx, path, text)?;
    if !url.username().is_empty() || url.password().is_some() {
        cx.error(path, "the URL holds a user or a password; remove them");
        return None;
    }
    if url.query().is_some() || url.fragment().is_some() {
        cx.error(path, "the URL has a query or a fragment; remove what follows its path");
        return None;
    }
    let host = url.host_str().unwrap_or_default();
    if url.scheme() == "http" && !is_loopback(host) && plain.value == Some(false) {
        let section = plain.path.trim_end_matches(".allow_plain_http");
        cx.error(
            path,
            format!(
                "http:// sends secrets and mail data to {host} unencrypted; write https://, or \
                 set `allow_plain_http = true` in [{section}]"
            ),
        );
        return None;
    }
    Some(text.trim_end_matches('/').to_owned())
}

fn parse(cx: &Context<'_>, path: &str, text: &str) -> Option<Url> {
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(error) => {
            cx.error(
                path,
                format!(
                    "this is not a URL ({error}); write for example \"https://host.example.com\""
                ),
            );
            return None;
        }
    };
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        cx.error(path, "this is not the URL of a web server; begin it with https://");
        return None;
    }
    Some(url)
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => bare == "localhost" || bare.ends_with(".localhost"),
    }
}

pub(super) fn http(cx: &Context<'_>, keys: HttpKeys) -> Option<Http> {
    let tls = keys.tls.value.map(|keys| tls(cx, keys));
    let proxy_given = keys.proxy.given;
    let proxy = keys.proxy.value.filter(|proxy| parse(cx, &keys.proxy.path, proxy).is_some());
    if proxy_given && proxy.is_none() {
        return None;
    }
    Some(Http { tls: tls?, proxy, timeout: keys.timeout.value?.0 })
}

pub(super) fn tls(cx: &Context<'_>, keys: TlsKeys) -> Tls {
    let (cert, key) = (&keys.client_cert, &keys.client_key);
    for (has, lacks) in [(cert, key), (key, cert)] {
        if has.given && !lacks.given {
            let name = lacks.path.rsplit('.').next().unwrap_or_default();
            cx.error(
                &has.path,
                format!("mutual TLS needs certificate and key; set `{name}` too, or remove this"),
            );
        }
    }
    for file in [&keys.ca_file, cert, key] {
        if let Some(path) = &file.value
            && let Err(error) = std::fs::File::open(path)
        {
            cx.error(
                &file.path,
                format!(
                    "the file {} cannot be read ({error}); correct the path or let Postrider's \
                     user read it",
                    path.display()
                ),
            );
        }
    }
    Tls {
        ca_file: keys.ca_file.value,
        client_cert: keys.client_cert.value,
        client_key: keys.client_key.value,
        server_name: keys.server_name.value,
    }
}

/// `host:port`.
pub(super) fn host_and_port(cx: &Context<'_>, path: &str, text: &str) -> Option<String> {
    let parts = text.rsplit_once(':').filter(|(host, port)| {
        let bracketed = host.starts_with('[') && host.ends_with(']');
        let host_fits = !host.is_empty()
            && !host.contains(|c: char| c == '/' || c.is_whitespace())
            && (bracketed || !host.contains(':'));
        host_fits && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    if parts.is_none() {
        cx.error(
            path,
            format!(
                "{text:?} is not a host and a port; write for example \"siem.example.com:6514\" \
                 or \"[2001:db8::1]:514\""
            ),
        );
    }
    parts.map(|_| text.to_owned())
}

/// The path without `.` and `..`, its directory's symbolic links followed where it exists.
pub(super) fn normal_path(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let resolved =
        match (path.parent().and_then(|parent| parent.canonicalize().ok()), path.file_name()) {
            (Some(parent), Some(name)) => parent.join(name),
            _ => path,
        };
    let mut normal = PathBuf::new();
    for part in resolved.components() {
        match part {
            Component::ParentDir => {
                normal.pop();
            }
            Component::CurDir => {}
            other => normal.push(other),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_known_by_name_and_number() {
        for host in ["localhost", "siem.localhost", "127.0.0.1", "127.8.8.8", "[::1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in
            ["localhost.example.com", "notlocalhost", "10.0.0.1", "[::2]", "127.0.0.1.nip.io"]
        {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn paths_are_compared_without_detours() {
        for path in ["/nowhere/a/../b", "/nowhere/./b", "/nowhere//b", "/nowhere/b/"] {
            assert_eq!(normal_path(Path::new(path)), Path::new("/nowhere/b"), "{path}");
        }
    }
}
