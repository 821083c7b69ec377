//! A vendor that gives a token like any other, and then answers as a test says, byte by byte.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// What comes in a request: its head and, as JSON, its body.
pub(crate) struct Asked {
    pub(crate) head: String,
    /// As it came, head and body.
    pub(crate) raw: String,
    pub(crate) body: Value,
}

type Answering = Pin<Box<dyn Future<Output = std::io::Result<()>> + Send>>;
type Answer = Arc<dyn Fn(Asked, TcpStream) -> Answering + Send + Sync>;

pub(crate) struct Hostile {
    pub(crate) url: String,
    calls: Arc<AtomicUsize>,
    _listening: JoinSet<()>,
}

impl Hostile {
    /// Answers each request other than a token's with `answer`, on a connection of its own.
    pub(crate) async fn start<F>(
        answer: impl Fn(Asked, TcpStream) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = std::io::Result<()>> + Send + 'static,
    {
        let answer: Answer = Arc::new(move |asked, tcp| Box::pin(answer(asked, tcp)));
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = calls.clone();
        let all = Self::raw(move |tcp| {
            let (answer, calls) = (answer.clone(), counted.clone());
            async move { serve(tcp, &answer, &calls).await }
        });
        Self { calls, ..all.await }
    }

    /// Whatever `answer` does with each connection from its beginning.
    pub(crate) async fn raw<F>(answer: impl Fn(TcpStream) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = std::io::Result<()>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = calls.clone();
        let mut listening = JoinSet::new();
        listening.spawn(async move {
            let mut open = JoinSet::new();
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::Relaxed);
                open.spawn(answer(tcp));
            }
        });
        Self { url, calls, _listening: listening }
    }

    /// Always the same bytes, as they go over the wire.
    pub(crate) async fn saying(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes: Arc<[u8]> = bytes.into().into();
        Self::start(move |_, mut tcp| {
            let bytes = bytes.clone();
            async move {
                tcp.write_all(&bytes).await?;
                tcp.shutdown().await
            }
        })
        .await
    }

    /// A good head before this body.
    pub(crate) async fn with_body(headers: &str, body: &[u8]) -> Self {
        Self::saying(response(headers, body)).await
    }

    /// Requests other than a token's.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }
}

/// A whole answer; `headers` are whole lines.
pub(crate) fn response(headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n{headers}\
         content-length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

async fn serve(mut tcp: TcpStream, answer: &Answer, calls: &AtomicUsize) -> std::io::Result<()> {
    let asked = request(&mut tcp).await?;
    if asked.head.contains("/token http") {
        let token = br#"{"accessToken":"hostile","access_token":"hostile","expires_in":3600}"#;
        tcp.write_all(&response("", token)).await?;
        return tcp.shutdown().await;
    }
    calls.fetch_add(1, Ordering::Relaxed);
    answer(asked, tcp).await
}

/// Reads one request.
pub(crate) async fn request(tcp: &mut TcpStream) -> std::io::Result<Asked> {
    let mut bytes = Vec::new();
    let end = loop {
        if tcp.read_buf(&mut bytes).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length = length.map_or(0, |text| text.trim().parse::<usize>().unwrap());
    while bytes.len() < end + length && tcp.read_buf(&mut bytes).await? > 0 {}
    let body = serde_json::from_slice(&bytes[end..]).unwrap_or_default();
    Ok(Asked { head, raw: String::from_utf8_lossy(&bytes).into_owned(), body })
}
