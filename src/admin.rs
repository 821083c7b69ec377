//! The admin listener: what the store and this process's counters say, over HTTP. Read only.
//!
//! Who asks is not trusted: requests are bounded in size, time and number, and nothing that is
//! asked for changes anything.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderValue, Method, Request, StatusCode, header},
    middleware,
    response::{Html, IntoResponse, Response},
    routing::get,
};
use tokio::{
    net::TcpListener,
    time::{sleep, timeout},
};
use tracing::{error, info};

use crate::{clock::Clock, config::Config, store::Store};

mod connections;
mod exposition;
mod guard;
mod page;
mod process;
mod throughput;
mod view;

use guard::Guard;
use view::{Unavailable, View};

/// How long an answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// An address that cannot be listened on is tried again after this.
const AGAIN: Duration = Duration::from_secs(30);

/// Serves until dropped. That nobody can look is no reason not to collect: an address that cannot
/// be used is told of and tried again.
pub async fn serve(config: Arc<Config>, store: Store, clock: Arc<dyn Clock>) {
    let address = config.admin.listen;
    let view = Arc::new(View::new(config, store, clock));
    let router = router(view.clone());
    let listener = loop {
        match TcpListener::bind(address).await {
            Ok(listener) => break listener,
            Err(error) => error!(
                "nobody can look at metrics or the status page: admin.listen = \"{address}\" cannot \
                 be listened on ({error}); it is tried again every {} s",
                AGAIN.as_secs()
            ),
        }
        sleep(AGAIN).await;
    };
    if let Ok(address) = listener.local_addr() {
        info!(%address, "the status page and metrics are there");
    }
    tokio::join!(connections::accept(listener, router), watch(&view));
}

/// Notes each minute what was delivered.
async fn watch(view: &View) {
    loop {
        view.note_throughput();
        sleep(Duration::from_mins(1)).await;
    }
}

fn router(view: Arc<View>) -> Router {
    let guard = Arc::new(Guard::new(&view.config().admin));
    let guarded = Router::new()
        .route("/", get(page))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/api/v1/status", get(status))
        .route("/api/v1/coverage", get(coverage))
        .route_layer(middleware::from_fn_with_state(guard.clone(), guard::token));
    Router::new()
        .route("/healthz", get("ok\n"))
        .route(
            "/style.css",
            get(([(header::CONTENT_TYPE, "text/css; charset=utf-8")], page::STYLE)),
        )
        .route("/refresh.js", get(([(header::CONTENT_TYPE, "text/javascript")], page::SCRIPT)))
        .route("/icon.svg", get(([(header::CONTENT_TYPE, "image/svg+xml")], page::ICON)))
        .merge(guarded)
        .with_state(view)
        .layer(middleware::from_fn_with_state(guard, guard::host))
        .layer(middleware::from_fn(bounded))
}

/// Reads only, in time, and says how the answer may be used.
async fn bounded(request: Request<Body>, next: middleware::Next) -> Response {
    let mut response = if matches!(*request.method(), Method::GET | Method::HEAD) {
        // Nothing is asked with a body: it is not read.
        let request = request.map(|_| Body::empty());
        let late = || (StatusCode::SERVICE_UNAVAILABLE, "it took too long\n").into_response();
        timeout(ANSWER_TIMEOUT, next.run(request)).await.unwrap_or_else(|_| late())
    } else {
        let words = "nothing can be changed over HTTP; use the command line\n";
        (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")], words).into_response()
    };
    for (name, value) in guard::HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// 503 with the reasons, a line each, while a source or sink cannot work.
async fn ready(State(view): State<Arc<View>>) -> Result<Response, Unavailable> {
    let reasons = view::reasons(&*view.status().await?);
    Ok(match reasons.as_slice() {
        [] => "ready\n".into_response(),
        reasons => (StatusCode::SERVICE_UNAVAILABLE, reasons.join("\n") + "\n").into_response(),
    })
}

async fn page(State(view): State<Arc<View>>) -> Result<Response, Unavailable> {
    let (status, coverage) = (view.status().await?, view.coverage().await?);
    Ok(Html(page::document(&status, &coverage, &view.throughput().rates())).into_response())
}

async fn metrics(State(view): State<Arc<View>>) -> Result<Response, Unavailable> {
    let (status, coverage) = (view.status().await?, view.coverage().await?);
    let text = exposition::text(&status, &coverage).map_err(Unavailable::new)?;
    Ok(([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response())
}

async fn status(State(view): State<Arc<View>>) -> Result<Response, Unavailable> {
    Ok(axum::Json(&*view.status().await?).into_response())
}

async fn coverage(State(view): State<Arc<View>>) -> Result<Response, Unavailable> {
    Ok(axum::Json(&*view.coverage().await?).into_response())
}
