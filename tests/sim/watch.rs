//! What is noted beside: panics, tasks that failed, and what changed when at the vendor.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fmt::Write,
    sync::{Arc, Once},
};

use jiff::Timestamp;
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    subscriber::DefaultGuard,
};
use tracing_subscriber::{Layer, layer::Context, prelude::*};
use uuid::Uuid;

use crate::world::World;

thread_local! {
    /// What broke on this thread.
    static BROKEN: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

pub(crate) struct Watch {
    /// When messages changed.
    pub changes: Vec<(Uuid, Timestamp)>,
    /// When messages turned up that are older.
    pub late: BTreeMap<Uuid, Timestamp>,
    /// Windows whose next answers are empty.
    pub empty: Vec<Timestamp>,
    _logs: DefaultGuard,
}

impl Watch {
    pub(crate) fn new(world: Arc<World>, printed: bool) -> Self {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            std::panic::set_hook(Box::new(|panic| {
                BROKEN.with_borrow_mut(|broken| broken.push(format!("a panic: {panic}")));
            }));
        });
        BROKEN.with_borrow_mut(Vec::clear);
        let most = if printed { LevelFilter::DEBUG } else { LevelFilter::ERROR };
        let logs = tracing_subscriber::registry().with(Logs { world, printed }.with_filter(most));
        let logs = tracing::subscriber::set_default(logs);
        Self { changes: Vec::new(), late: BTreeMap::new(), empty: Vec::new(), _logs: logs }
    }
}

/// What broke on this thread, if anything did.
pub(crate) fn broken() -> Option<String> {
    BROKEN.with_borrow(|broken| broken.first().cloned())
}

struct Logs {
    world: Arc<World>,
    printed: bool,
}

impl<S: Subscriber> Layer<S> for Logs {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = String::new();
        event.record(&mut Text(&mut text));
        let level = *event.metadata().level();
        // What the dead do in the moment before they are dropped is nobody's matter.
        let lives = !self.world.state().dead;
        if lives && level == Level::ERROR && text.contains("task failed") {
            BROKEN.with_borrow_mut(|broken| broken.push(text.clone()));
        }
        if self.printed && event.metadata().target().starts_with("postrider") {
            self.world.trace.say(format_args!("    {level} {text}"));
        }
    }
}

struct Text<'t>(&'t mut String);

impl Visit for Text<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let written = match field.name() {
            "message" => write!(self.0, "{value:?} "),
            name => write!(self.0, "{name}={value:?} "),
        };
        written.ok();
    }
}
