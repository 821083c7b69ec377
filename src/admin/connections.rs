//! The listener's connections: each has one request answered, and there are only so many.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::Router;
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
    time::{Instant, sleep, timeout, timeout_at},
};
use tracing::debug;

/// Connections at a time; more wait until one closes or gives way.
const CONNECTIONS: usize = 32;
/// Where there are no more, one that has not asked after this gives way to who waits.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a request's head may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection is closed after this: a head, the making of an answer, and as long for who reads it.
const LONGEST: Duration = Duration::from_mins(1);
/// Bytes and number of a request's headers.
const HEAD_BYTES: usize = 16 << 10;
const HEADERS: usize = 64;

/// Takes connections and has the router answer, until dropped.
pub(super) async fn accept(listener: TcpListener, router: Router) {
    let mut house = House::default();
    loop {
        tokio::select! {
            Some(_) = house.tasks.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    house.make_room().await;
                    house.welcome(stream, router.clone());
                }
                // As when there are no descriptors left: the next try may find some.
                Err(error) => {
                    debug!(%error, "cannot accept a connection");
                    sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
}

#[derive(Default)]
struct House {
    tasks: JoinSet<()>,
    /// From the oldest; some may have ended.
    guests: VecDeque<Guest>,
}

struct Guest {
    task: AbortHandle,
    since: Instant,
    /// Whether a request came, which is answered then.
    asked: Arc<AtomicBool>,
}

impl House {
    /// Waits until one more may come in. Who only holds a place is sent away: otherwise few silent
    /// connections, for which nobody needs a token, would keep all others out.
    async fn make_room(&mut self) {
        while self.tasks.len() >= CONNECTIONS {
            self.guests.retain(|guest| !guest.task.is_finished());
            let Some(silent) = self.guests.iter().find(|guest| !guest.asked.load(Relaxed)) else {
                self.tasks.join_next().await;
                continue;
            };
            let ended = timeout_at(silent.since + PATIENCE, self.tasks.join_next()).await;
            if ended.is_err() && !silent.asked.load(Relaxed) {
                silent.task.abort();
                self.tasks.join_next().await;
            }
        }
    }

    fn welcome(&mut self, stream: TcpStream, router: Router) {
        self.guests.retain(|guest| !guest.task.is_finished());
        let asked = Arc::new(AtomicBool::new(false));
        let talk = talk(stream, router, asked.clone());
        let task = self.tasks.spawn(async {
            drop(timeout(LONGEST, talk).await);
        });
        self.guests.push_back(Guest { task, since: Instant::now(), asked });
    }
}

async fn talk(stream: TcpStream, router: Router, asked: Arc<AtomicBool>) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        asked.store(true, Relaxed);
        router.call(request)
    });
    let talk = http1::Builder::new()
        .timer(TokioTimer::new())
        // Who asks seldom asks anew; an idle connection would take another's place.
        .keep_alive(false)
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = talk {
        debug!(%error, "a connection to the admin listener ended");
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

    async fn open(listener: &TcpListener, request: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        stream.write_all(request).await.unwrap();
        stream
    }

    async fn read(mut stream: TcpStream) -> String {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn silent_connections_give_way_and_one_that_asked_is_closed_once_answered() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        // They stay open at their side; half of them began to ask.
        let mut silent = Vec::new();
        for number in 0..2 * CONNECTIONS {
            let begun: &[u8] = if number % 2 == 0 { b"" } else { b"GET / HTTP/1.1\r\nHost:" };
            silent.push(open(&listener, begun).await);
        }
        let asks = open(&listener, GET).await;
        let router = Router::new().route("/", get("ok\n"));
        let begin = Instant::now();
        let answer = tokio::select! {
            () = accept(listener, router) => unreachable!("it accepts until dropped"),
            answer = read(asks) => answer,
        };
        assert!(begin.elapsed() < HEAD_TIMEOUT, "it waited for those that say nothing");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
    }

    #[tokio::test]
    async fn one_that_is_being_answered_does_not_give_way() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (many, gate) =
            (Arc::new(tokio::sync::Semaphore::new(0)), Arc::new(tokio::sync::Notify::new()));
        let (arrived, opened) = (many.clone(), gate.clone());
        let slow = move || async move {
            arrived.add_permits(1);
            opened.notified().await;
            "slow\n"
        };
        let router = Router::new().route("/", get(slow));
        let mut served = JoinSet::new();
        let mut asking = Vec::new();
        for _ in 0..CONNECTIONS {
            asking.push(open(&listener, GET).await);
        }
        served.spawn(accept(listener, router));
        drop(many.acquire_many(u32::try_from(CONNECTIONS).unwrap()).await.unwrap());
        let mut late = TcpStream::connect(address).await.unwrap();
        late.write_all(GET).await.unwrap();
        assert!(timeout(2 * PATIENCE, many.acquire_many(33)).await.is_err(), "there is no room");
        gate.notify_waiters();
        for stream in asking {
            assert!(read(stream).await.ends_with("slow\n"));
        }
        // It had to wait, and has its turn.
        drop(many.acquire_many(33).await.unwrap());
        gate.notify_one();
        assert!(read(late).await.ends_with("slow\n"));
    }
}
