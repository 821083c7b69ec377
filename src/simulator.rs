//! Simulators of the vendors and of SIEMs: real servers on loopback, as strict as the real ones,
//! with deterministic data and faults, that remember what should have arrived and what did.
//!
//! Each server answers questions under `/sim/`, so that other processes can ask too.

/// Appends formatted text to a `String`.
macro_rules! put {
    ($out:expr, $($arguments:tt)*) => {
        std::fmt::Write::write_fmt($out, format_args!($($arguments)*))
            .expect("a String takes all that is written to it")
    };
}

mod admin;
mod content;
mod desk;
mod dice;
mod etd;
mod faults;
mod hec;
mod ledger;
mod limiter;
mod message;
mod ser;
mod syslog;
mod timeline;
mod words;
mod world;

#[cfg(test)]
mod tests;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard},
};

use anyhow::Context as _;
use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{Response, request::Parts},
};
use jiff::{Span, Timestamp};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

pub use self::{
    admin::{Mutation, MutationKind},
    desk::CallStats,
    etd::{
        EtdOptions, LastToken, LogExport, LogForm, Quirks, Spoil, SpoilKind, TotalSize, UrlStyle,
    },
    faults::{FaultKind, Faults},
    hec::{AckAnswers, HecOptions, HecStats},
    ledger::{Received, ReceivedStats},
    limiter::{Limits, Rate},
    ser::{RelayUserChange, RowTruth, SerOptions, Shape},
    world::MessageTruth,
};
use self::{desk::Desk, dice::mix, etd::Etd, hec::Hec, ledger::Ledger, ser::Ser, world::World};
use crate::clock::{Clock, SystemClock};

/// What to simulate. The defaults have quirks but no faults and no limits.
#[derive(Clone)]
pub struct Options {
    pub seed: u64,
    pub clock: Arc<dyn Clock>,
    /// The faults that the HTTP servers begin with; each draws its own.
    pub faults: Faults,
    pub etd: EtdOptions,
    pub ser: SerOptions,
    pub hec: HecOptions,
    /// The syslog receiver closes a connection after so many frames; 0 never.
    pub syslog_close_every: u64,
    pub listen: Listen,
}

/// Where to listen; port 0 is any free one.
#[derive(Debug, Clone, Copy)]
pub struct Listen {
    pub ip: IpAddr,
    pub etd: u16,
    pub ser: u16,
    pub hec: u16,
    pub syslog: u16,
}

impl Default for Listen {
    fn default() -> Self {
        Self { ip: Ipv4Addr::LOCALHOST.into(), etd: 0, ser: 0, hec: 0, syslog: 0 }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 1,
            clock: Arc::new(SystemClock),
            faults: Faults::none(),
            etd: EtdOptions::default(),
            ser: SerOptions::default(),
            hec: HecOptions::default(),
            syslog_close_every: 0,
            listen: Listen::default(),
        }
    }
}

impl Options {
    /// Without any quirk: vendors as their guides describe them.
    pub fn plain() -> Self {
        let mut options = Self::default();
        options.etd.quirks = Quirks::plain();
        options.ser.shuffle = false;
        options
    }
}

/// The hash of an event's vendor content, comparable with [`MessageTruth::content`]; `None` when it
/// is no JSON object.
pub fn content(event: &str) -> Option<String> {
    content::hash(event, "postrider").map(|hash| format!("{hash:016x}"))
}

/// What all servers counted.
#[derive(Debug, Clone, Serialize)]
pub struct Stats {
    pub etd: CallStats,
    pub ser: CallStats,
    pub hec: CallStats,
    pub hec_batches: HecStats,
    pub hec_events: ReceivedStats,
    pub syslog_events: ReceivedStats,
    /// Searches that it takes to read all ETD messages once.
    pub fewest_searches: u64,
}

/// The servers, running until this is stopped or dropped.
pub struct Simulation {
    pub etd_url: String,
    pub ser_url: String,
    pub hec_url: String,
    pub syslog_addr: SocketAddr,
    etd: Arc<Etd>,
    ser: Arc<Ser>,
    hec: Arc<Hec>,
    syslog: Arc<Ledger>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// One of the simulated HTTP servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum At {
    Etd,
    Ser,
    Hec,
}

impl Simulation {
    /// Servers that listen nowhere: they are asked by [`Simulation::answer`] only.
    pub fn without_network(options: Options) -> anyhow::Result<Self> {
        let Options { seed, clock, faults, etd, ser, hec, listen, .. } = options;
        let now = clock.now();
        let day_ago = now.checked_sub(Span::new().hours(24)).unwrap_or(now);
        let range = etd.range.unwrap_or([day_ago, now]);
        anyhow::ensure!(range[0] < range[1], "the messages' range ends before it begins");
        let desk =
            |salt, limits| Desk::new(mix(seed, salt), Arc::clone(&clock), faults.clone(), limits);
        let world = World::new(mix(seed, 1), &etd, range);
        let etd = Arc::new(Etd::new(desk(2, etd.limits), world, etd));
        let ser = Arc::new(Ser::new(desk(3, ser.limits), ser));
        let syslog = Arc::new(Ledger::new(hec.content));
        let hec = Arc::new(Hec::new(desk(4, hec.limits), hec, Arc::clone(&syslog)));
        let [etd_url, ser_url, hec_url] =
            ["etd", "ser", "hec"].map(|name| format!("https://{name}.invalid"));
        let syslog_addr = (listen.ip, listen.syslog).into();
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        Ok(Self { etd_url, ser_url, hec_url, syslog_addr, etd, ser, hec, syslog, stop, tasks })
    }

    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let (listen, close) = (options.listen, options.syslog_close_every);
        let mut all = Self::without_network(options)?;
        let (stop, tasks) = (all.stop.clone(), all.tasks.clone());
        let serve = async |port, server: Arc<dyn Server>| {
            let (listener, address) = bind(listen.ip, port).await?;
            let router = Router::new().fallback(handle).with_state(server);
            let stopped = stop.clone().cancelled_owned();
            tasks.spawn(async move {
                // Serving does not fail: errors of single connections are hyper's own affair.
                axum::serve(listener, router).with_graceful_shutdown(stopped).await.ok();
            });
            anyhow::Ok(format!("http://{address}"))
        };
        all.etd_url = serve(listen.etd, Arc::clone(&all.etd) as _).await?;
        all.ser_url = serve(listen.ser, Arc::clone(&all.ser) as _).await?;
        all.hec_url = serve(listen.hec, Arc::clone(&all.hec) as _).await?;
        let (listener, address) = bind(listen.ip, listen.syslog).await?;
        all.syslog_addr = address;
        let ledger = Arc::clone(&all.syslog);
        tasks.spawn(syslog::serve(listener, ledger, close, stop.clone(), tasks.clone()));
        Ok(all)
    }

    /// Answers one request in the caller's own thread.
    pub fn answer(&self, at: At, parts: &Parts, body: &Bytes) -> Response<Body> {
        match at {
            At::Etd => self.etd.answer(parts, body),
            At::Ser => self.ser.answer(parts, body),
            At::Hec => self.hec.answer(parts, body),
        }
    }

    /// What the ETD vendor holds now, message by message.
    pub fn truth(&self) -> impl Iterator<Item = MessageTruth> + Send + 'static {
        self.truth_at(self.etd.desk.now())
    }

    /// What it held then, as far as it is known now: late arrivals count as always there.
    pub fn truth_at(&self, then: Timestamp) -> impl Iterator<Item = MessageTruth> + Send + 'static {
        self.etd.world.truth(then, true)
    }

    /// A message as the ETD vendor's search would have returned it then.
    pub fn message_at(&self, id: Uuid, then: Timestamp) -> Option<String> {
        self.etd.world.message(id, then)
    }

    /// What the SER vendor would tell now about the window [start, end).
    pub fn summary(&self, window: [Timestamp; 2]) -> Vec<RowTruth> {
        self.summary_at(window, self.ser.desk.now())
    }

    /// What it would have told then, with the names of now.
    pub fn summary_at(&self, window: [Timestamp; 2], then: Timestamp) -> Vec<RowTruth> {
        self.ser.relay.rows(window, then)
    }

    /// The events that reached the HTTP event collector, by event id.
    pub fn received(&self) -> Vec<Received> {
        self.hec.ledger.received()
    }

    /// The events that reached the syslog receiver, by event id.
    pub fn received_by_syslog(&self) -> Vec<Received> {
        self.syslog.received()
    }

    pub fn stats(&self) -> Stats {
        let (hec_batches, hec_events) = self.hec.stats();
        Stats {
            etd: self.etd.desk.stats(),
            ser: self.ser.desk.stats(),
            hec: self.hec.desk.stats(),
            hec_batches,
            hec_events,
            syslog_events: self.syslog.stats(),
            fewest_searches: self.etd.fewest_searches(),
        }
    }

    /// Makes a change at the ETD vendor and names the messages that it happened to.
    pub fn mutate(&self, mutation: &Mutation) -> Vec<Uuid> {
        admin::mutate(&self.etd, mutation)
    }

    /// Every line of the log export of hours in [from, to), of the type `message` or `audit`, that
    /// is written by now: what is to arrive.
    pub fn exported(
        &self,
        log_type: &'static str,
        range: [Timestamp; 2],
    ) -> Vec<serde_json::Value> {
        self.etd.exported(log_type, range, self.etd.desk.now())
    }

    /// Gives a SER application user another name, or with `None` takes it out of all windows.
    pub fn rename_user(&self, user: u32, name: Option<String>) {
        self.ser.relay.rename(user, name);
    }

    /// Changes how a SER relay user is configured.
    pub fn change_relay_user(&self, user: u32, change: &RelayUserChange) {
        self.ser.relay_users.change(user, change, self.ser.desk.now());
    }

    /// The SER relay users that there are now, with their details.
    pub fn relay_users(&self) -> Vec<serde_json::Value> {
        self.ser.relay_users.all(&self.ser)
    }

    /// Answers so many times without any row when asked for the SER window that begins then.
    pub fn empty_summary(&self, window_start: Timestamp, times: u32) {
        locked(&self.ser.empty).insert(window_start, times);
    }

    pub fn set_etd_faults(&self, faults: Faults) {
        self.etd.desk.set_faults(faults);
    }

    pub fn set_ser_faults(&self, faults: Faults) {
        self.ser.desk.set_faults(faults);
    }

    pub fn set_hec_faults(&self, faults: Faults) {
        self.hec.desk.set_faults(faults);
    }

    /// Changes how the HTTP event collector behaves from now on, but for its limits.
    pub fn change_hec(&self, change: impl FnOnce(&mut HecOptions)) {
        self.hec.change(change);
    }

    /// As a restart of the HTTP event collector does: all channels count anew, and what they knew
    /// of batches is forgotten.
    pub fn forget_hec_channels(&self) {
        self.hec.forget_channels();
    }

    /// Stops listening and waits for the calls in progress.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Simulation {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A simulated HTTP server; answering needs no waiting.
trait Server: Send + Sync + 'static {
    fn answer(&self, parts: &Parts, body: &Bytes) -> Response<Body>;
}

impl Server for Etd {
    fn answer(&self, parts: &Parts, body: &Bytes) -> Response<Body> {
        self.handle(parts, body)
    }
}

impl Server for Ser {
    fn answer(&self, parts: &Parts, body: &Bytes) -> Response<Body> {
        self.handle(parts, body)
    }
}

impl Server for Hec {
    fn answer(&self, parts: &Parts, body: &Bytes) -> Response<Body> {
        self.handle(parts, body)
    }
}

async fn handle(State(server): State<Arc<dyn Server>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    // A body that breaks off was not received: whatever is said, nobody is there to read it.
    match to_bytes(body, usize::MAX).await {
        Ok(body) => server.answer(&parts, &body),
        Err(_) => desk::reply(desk::Answer::text(400, "")),
    }
}

async fn bind(ip: IpAddr, port: u16) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener =
        TcpListener::bind((ip, port)).await.with_context(|| format!("listening on {ip}:{port}"))?;
    let address = listener.local_addr().context("asking for the bound address")?;
    Ok((listener, address))
}

/// Locks; what a panicking thread left is still good, since each change here is complete in itself.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Durations as milliseconds in JSON.
mod millis {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(of: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(of.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_millis)
    }
}
