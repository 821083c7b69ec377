//! `postrider health`: asks this machine's running daemon how it is, for supervisors that run a
//! command. It needs neither shell nor curl, so a container's image may do without both.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    time::Duration,
};

use anyhow::Context as _;
use axum::{
    body::{Body, to_bytes},
    http::{Request, StatusCode, header},
};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

use super::{Exit, complain, print, say, setup};
use crate::config::{Admin, Need};

/// Far more than the reasons take, or the metrics of a thousand sources.
const MOST: usize = 8 << 20;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Also fail while a source or sink cannot work (/readyz), with the reasons.
    #[arg(long)]
    ready: bool,
    /// How long to wait for the answer, in seconds.
    #[arg(long, default_value_t = 4, value_name = "SECONDS")]
    timeout: u64,
}

/// 0 or 1 and nothing else: container engines reserve other exit statuses.
pub async fn run(file: Option<&Path>, args: Args) -> anyhow::Result<Exit> {
    let loaded = match setup::configuration(Need::NoSecrets, file, setup::clock().now()) {
        Ok(loaded) => loaded,
        Err(problems) => {
            complain(&format!("the configuration cannot be used\n{problems}"));
            return Ok(Exit::Failed);
        }
    };
    let admin = &loaded.config.admin;
    anyhow::ensure!(
        admin.listen.port() != 0,
        "admin.listen has port 0, so nobody knows where the daemon listens; name a port"
    );
    let address = reached(admin.listen);
    let path = if args.ready { "/readyz" } else { "/healthz" };
    let asked = timeout(Duration::from_secs(args.timeout), ask(admin, address, path));
    let (status, text) = asked
        .await
        .with_context(|| format!("no answer of {address} within {} s", args.timeout))?
        .with_context(|| format!("no daemon answers at admin.listen, {address}"))?;
    if status.is_success() {
        print(text.trim_end())?;
        return Ok(Exit::Done);
    }
    say(text.trim_end());
    Ok(Exit::Failed)
}

/// Where a listener on every address is reached from this machine.
pub(super) fn reached(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// Not by the factory of HTTP clients: this one is never to go through a proxy of the environment.
pub(super) async fn ask(
    admin: &Admin,
    address: SocketAddr,
    path: &str,
) -> anyhow::Result<(StatusCode, String)> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let mut request = Request::get(path).header(header::HOST, address.to_string());
    if let Some(token) = &admin.token {
        let token = token.read().context("admin.token")?;
        request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.as_str()));
    }
    let answer = async {
        let answer = sender.send_request(request.body(Body::empty())?).await?;
        let status = answer.status();
        let body = to_bytes(Body::new(answer.into_body()), MOST).await?;
        anyhow::Ok((status, String::from_utf8_lossy(&body).into_owned()))
    };
    tokio::select! {
        answer = answer => answer,
        // It ends first only by a failure, which the answer's side is told of as well.
        Err(error) = connection => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_every_address_is_reached_by_loopback() {
        for (listen, there) in [
            ("0.0.0.0:8686", "127.0.0.1:8686"),
            ("[::]:8686", "[::1]:8686"),
            ("10.1.2.3:1", "10.1.2.3:1"),
        ] {
            assert_eq!(reached(listen.parse().unwrap()), there.parse().unwrap());
        }
    }
}
