//! A TLS server that answers with nothing.

use tokio::{io::AsyncReadExt, net::TcpListener, task::JoinSet};

use crate::pki::{Identity, Pki};

/// Handshakes with whoever comes and keeps the connection; the receiver of its life.
pub(crate) async fn tls_server(
    pki: &Pki,
    identity: &Identity,
    wants_client: bool,
) -> (u16, JoinSet<()>) {
    let acceptor = pki.acceptor(identity, wants_client);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut open = JoinSet::new();
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            open.spawn(async move {
                let Ok(mut stream) = acceptor.accept(tcp).await else { return };
                let mut all = Vec::new();
                // An HTTP client is answered with an end, a syslog client never talks.
                while stream.read_buf(&mut all).await.is_ok_and(|read| read > 0) {
                    if all.ends_with(b"\r\n\r\n") {
                        break;
                    }
                }
            });
        }
    });
    (port, tasks)
}
