//! Trying a receiver without sending it anything.

use super::{
    datagrams,
    target::{TRUST_AFTER, Target},
};
use crate::fault::Fault;

pub(super) async fn probe(target: &Target, is_udp: bool) -> Result<String, Fault> {
    let address = target.address();
    if is_udp {
        let socket = datagrams::open(target).await?;
        let peer = socket.peer_addr().map_or_else(|_| address.to_owned(), |peer| peer.to_string());
        return Ok(format!(
            "{address} is {peer}. UDP cannot be tried without leaving a message, and lost \
             datagrams are never noticed."
        ));
    }
    let mut connection = target.connect().await?;
    connection.stays_open(TRUST_AFTER).await?;
    let tls = match connection.tls_version() {
        Some(version) => format!(" with {version}, its certificate verified"),
        None => " without TLS".to_owned(),
    };
    Ok(format!(
        "connected to {address} ({}){tls}; it keeps the connection open. Whether it reads and \
         keeps messages, and in which `framing`, syslog cannot tell.",
        connection.peer()
    ))
}
