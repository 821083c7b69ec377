//! The batches of one channel that HEC took and the indexers have not confirmed. Pure: time is an
//! argument, and what is asked and answered is done elsewhere.
//!
//! Splunk counts a channel's ids from 0, tells a `true` once, and says `false` of all that it does
//! not know. When it has forgotten the channel (a restart, a long rest), or when another node
//! answers, it counts from 0 again: then an id means another batch, and its `true` with it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio::time::Instant;

/// Until the first question after a batch; an idle indexer needs about a second.
const FIRST: Duration = Duration::from_millis(500);
/// Between questions while nothing comes.
const LONGEST: Duration = Duration::from_secs(10);
/// Ids that were passed over and may still come; more are never on the way.
const MOST_MISSING: u64 = 1_000;

/// Why nothing on a channel can be relied on any more.
pub(super) const ANEW: &str = "it counts acknowledgements anew: it was restarted, or the address \
                               leads to several nodes and does not keep a client at one (sticky \
                               sessions)";

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The indexers have it.
    Indexed,
    /// Nobody will say so any more: it must go again.
    Lost(String),
    /// The server says that it has no acknowledgements.
    Unsupported(String),
}

/// What a question for acknowledgements brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    /// The ids that are indexed; the others are not yet, or unknown.
    Indexed(BTreeSet<u64>),
    /// The server says that it has no acknowledgements.
    Unsupported(String),
    /// Nothing that can be relied on, and how long it asks to be left alone.
    Nothing { why: String, retry_after: Option<Duration> },
}

/// A post on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Post(u64);

#[derive(Debug)]
struct Waiting {
    /// Not given up before a question that was asked at this time or later.
    deadline: Instant,
    /// It was told `true`; posts up to this one may yet show that another batch was meant.
    told: Option<Post>,
}

#[derive(Debug)]
pub(super) struct Pending {
    timeout: Duration,
    /// Posts begun so far.
    posts: u64,
    on_the_way: BTreeSet<Post>,
    /// Posts that ended without HEC's answer: each may have taken an id.
    unanswered: u64,
    /// Ids came again while batches waited: nothing counts any more.
    broken: bool,
    /// Above all ids so far.
    next: u64,
    /// Below `next`, but not seen yet: answers overtake each other.
    missing: BTreeSet<u64>,
    waiting: BTreeMap<u64, Waiting>,
    settled: BTreeMap<u64, Verdict>,
    interval: Duration,
    /// When to ask next.
    ask: Instant,
    /// Why the last question brought nothing.
    trouble: Option<String>,
}

impl Pending {
    /// A batch is lost when it was not confirmed `timeout` after HEC took it.
    pub(super) fn new(timeout: Duration, now: Instant) -> Self {
        Self {
            timeout,
            posts: 0,
            on_the_way: BTreeSet::new(),
            unanswered: 0,
            broken: false,
            next: 0,
            missing: BTreeSet::new(),
            waiting: BTreeMap::new(),
            settled: BTreeMap::new(),
            interval: FIRST,
            ask: now,
            trouble: None,
        }
    }

    /// Nothing is on the way and nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.on_the_way.is_empty() && self.waiting.is_empty()
    }

    pub(super) fn begin(&mut self) -> Post {
        let post = Post(self.posts);
        self.posts += 1;
        self.on_the_way.insert(post);
        post
    }

    /// HEC answered without an id.
    pub(super) fn declined(&mut self, post: Post) {
        self.on_the_way.remove(&post);
        self.confirm();
    }

    /// The post ended without HEC's answer, or nobody waits for it any more.
    pub(super) fn unanswered(&mut self, post: Post) {
        if self.on_the_way.remove(&post) {
            self.unanswered += 1;
            self.confirm();
        }
    }

    /// HEC took the batch and will know it by `id`. An id that was there before shows that it
    /// counts anew: then nothing that is told of this channel can be relied on, and all of it is
    /// lost. False in that case.
    pub(super) fn accepted(&mut self, post: Post, id: u64, now: Instant) -> bool {
        self.on_the_way.remove(&post);
        if self.broken {
            return false;
        }
        if id < self.next && !self.missing.remove(&id) {
            if !self.is_empty() {
                self.broken = true;
                self.settle_all(&Verdict::Lost(ANEW.into()));
                return false;
            }
            self.next = 0;
            self.missing.clear();
        }
        if id >= self.next {
            self.missing.extend(self.next.max(id.saturating_sub(MOST_MISSING))..id);
            while self.missing.len() as u64 > MOST_MISSING {
                self.missing.pop_first();
            }
            self.next = id.saturating_add(1);
        }
        if self.waiting.is_empty() {
            self.interval = FIRST.min(self.timeout / 4);
            self.ask = now + self.interval;
        }
        self.waiting.insert(id, Waiting { deadline: now + self.timeout, told: None });
        self.confirm();
        true
    }

    /// When to ask next, and of which ids; `None` while nothing waits to be told.
    pub(super) fn question(&self) -> Option<(Instant, Vec<u64>)> {
        let open = || self.waiting.iter().filter(|(_, waiting)| waiting.told.is_none());
        // A process that was stopped for long asks once more before it gives up.
        let deadline = open().map(|(_, waiting)| waiting.deadline).min()?;
        Some((self.ask.min(deadline), open().map(|(id, _)| *id).collect()))
    }

    /// What a question of `ids`, asked at `asked`, brought.
    pub(super) fn told(&mut self, ids: &[u64], asked: Instant, told: Told, now: Instant) {
        let longest = LONGEST.min(self.timeout / 4);
        let mut rest = Duration::ZERO;
        match told {
            Told::Indexed(indexed) => {
                self.trouble = None;
                let mut any = false;
                let last = Post(self.posts);
                for id in ids.iter().filter(|id| indexed.contains(id)) {
                    if let Some(waiting) = self.waiting.get_mut(id) {
                        waiting.told = Some(last);
                        any = true;
                    }
                }
                if any {
                    self.interval = FIRST.min(longest);
                } else {
                    self.interval = (self.interval * 3 / 2).min(longest);
                }
            }
            Told::Unsupported(why) => return self.settle_all(&Verdict::Unsupported(why)),
            Told::Nothing { why, retry_after } => {
                self.trouble = Some(why);
                self.interval = (self.interval * 2).min(longest);
                rest = retry_after.unwrap_or_default().min(LONGEST * 6);
            }
        }
        self.ask = now + self.interval.max(rest);
        self.confirm();
        self.give_up(ids, asked);
    }

    /// Why the last question brought nothing, if so.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// What became of the batch, told once.
    pub(super) fn take(&mut self, id: u64) -> Option<Verdict> {
        self.settled.remove(&id)
    }

    /// Nobody waits for the batch any more.
    pub(super) fn forget(&mut self, id: u64) {
        self.waiting.remove(&id);
        self.settled.remove(&id);
    }

    /// Believes what was told once it cannot have meant another batch. If Splunk counts anew, an
    /// id `n` comes again only after `n + 1` posts, and one whose answer is known gives that away:
    /// so it takes more than `n` posts whose answers are not known.
    fn confirm(&mut self) {
        let ids: Vec<u64> = self.waiting.keys().copied().collect();
        for id in ids {
            let Some(told) = self.waiting.get(&id).and_then(|waiting| waiting.told) else {
                continue;
            };
            let may_come = self.on_the_way.range(..told).count() as u64;
            if id >= self.unanswered.saturating_add(may_come) {
                self.settle(id, Verdict::Indexed);
            } else if id < self.unanswered {
                let why = "a post got no answer, so its acknowledgement may be another batch's";
                self.settle(id, Verdict::Lost(why.into()));
            }
        }
    }

    fn give_up(&mut self, ids: &[u64], asked: Instant) {
        for id in ids {
            let Some(waiting) = self.waiting.get(id) else { continue };
            if waiting.told.is_none() && waiting.deadline <= asked {
                let seconds = self.timeout.as_secs_f64();
                let why = match &self.trouble {
                    None => format!("not indexed in {seconds} s (ack_timeout)"),
                    Some(trouble) => {
                        format!("not confirmed in {seconds} s (ack_timeout): {trouble}")
                    }
                };
                self.settle(*id, Verdict::Lost(why));
            }
        }
    }

    fn settle(&mut self, id: u64, verdict: Verdict) {
        if self.waiting.remove(&id).is_some() {
            self.settled.insert(id, verdict);
        }
    }

    fn settle_all(&mut self, verdict: &Verdict) {
        for id in std::mem::take(&mut self.waiting).into_keys() {
            self.settled.insert(id, verdict.clone());
        }
    }
}

#[cfg(test)]
mod tests;
