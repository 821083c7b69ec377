//! The running daemon's metrics, from its admin listener.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use anyhow::Context;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::config::{Admin, Secret};

const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of an answer.
const MOST: u64 = 8 << 20;

/// Asked without an HTTP client, since that would take the token to a proxy.
pub(super) async fn scrape(admin: &Admin) -> anyhow::Result<String> {
    let at = reachable(admin.listen);
    anyhow::ensure!(at.port() != 0, "admin.listen names no port, so nobody knows the daemon's");
    let token = admin.token.as_ref().map(Secret::read).transpose()?;
    let token = token
        .map_or_else(String::new, |token| format!("Authorization: Bearer {}\r\n", token.as_str()));
    let asking = async {
        let mut stream = TcpStream::connect(at).await?;
        let request = format!("GET /metrics HTTP/1.0\r\nHost: {at}\r\n{token}\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(MOST).read_to_end(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer = timeout(PATIENCE, asking).await.context("no answer in time")?;
    let answer = answer.with_context(|| format!("the admin listener {at} does not answer"))?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer is no HTTP")?;
    let status = head.lines().next().unwrap_or_default();
    anyhow::ensure!(status.contains(" 200"), "the admin listener answers {status}");
    Ok(body.to_owned())
}

/// A listener on all addresses is reached by loopback.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    SocketAddr::new(ip, listen.port())
}
