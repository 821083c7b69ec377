//! The rules one by one, and then by chance against a Splunk that restarts, forgets, loses answers
//! and mixes up nodes.

use proptest::prelude::*;

use super::*;

const TIMEOUT: Duration = Duration::from_secs(300);

struct Bench {
    pending: Pending,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        let now = Instant::now();
        Self { pending: Pending::new(TIMEOUT, now), now }
    }

    /// Posts a batch that is answered with `id`.
    fn batch(&mut self, id: u64) -> bool {
        let post = self.pending.begin();
        self.pending.accepted(post, id, self.now)
    }

    fn wait(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
    }

    /// Waits for the next question; how long that was, and what it asks.
    fn question(&mut self) -> (u128, Vec<u64>) {
        let (due, ids) = self.pending.question().unwrap();
        let waited = due.saturating_duration_since(self.now);
        self.now += waited;
        (waited.as_millis(), ids)
    }

    /// Asks when it is time, and is told so.
    fn told(&mut self, told: Told) -> u128 {
        let (waited, ids) = self.question();
        self.pending.told(&ids, self.now, told, self.now);
        waited
    }
}

fn indexed(ids: &[u64]) -> Told {
    Told::Indexed(ids.iter().copied().collect())
}

fn nothing(why: &str) -> Told {
    Told::Nothing { why: why.into(), retry_after: None }
}

#[test]
fn one_question_asks_for_all_and_each_true_counts_once() {
    let mut bench = Bench::new();
    assert!(bench.pending.question().is_none());
    assert!((0..3).all(|id| bench.batch(id)));
    assert_eq!(bench.question().1, [0, 1, 2]);
    bench.told(indexed(&[1, 7]));
    assert_eq!(bench.pending.take(1), Some(Verdict::Indexed));
    assert_eq!((bench.pending.take(1), bench.pending.take(0)), (None, None));
    assert_eq!(bench.question().1, [0, 2]);
    bench.told(indexed(&[0, 2]));
    assert!(bench.pending.question().is_none());
}

#[test]
fn it_asks_more_and_more_seldom_until_something_comes() {
    let mut bench = Bench::new();
    bench.batch(0);
    bench.batch(1);
    let waits: Vec<u128> = (0..9).map(|_| bench.told(indexed(&[]))).collect();
    assert_eq!(waits, [500, 750, 1_125, 1_687, 2_531, 3_796, 5_695, 8_542, 10_000]);
    assert_eq!(bench.told(indexed(&[0])), 10_000);
    assert_eq!(bench.told(nothing("503")), 500);
    assert_eq!(bench.told(nothing("503")), 1_000);
    let retry_after = Some(Duration::from_secs(20));
    assert_eq!(bench.told(Told::Nothing { why: "429".into(), retry_after }), 2_000);
    assert_eq!(bench.told(indexed(&[1])), 20_000);
    // The next batch after a rest is not asked for at once, nor late.
    bench.wait(60_000);
    bench.batch(2);
    assert_eq!(bench.told(indexed(&[2])), 500);
}

#[test]
fn a_batch_is_given_up_by_a_question_at_its_deadline_only() {
    let mut bench = Bench::new();
    bench.batch(0);
    // The process was stopped for an hour; meanwhile it was indexed.
    bench.wait(3_600_000);
    assert_eq!(bench.told(indexed(&[0])), 0);
    assert_eq!(bench.pending.take(0), Some(Verdict::Indexed));

    bench.batch(1);
    bench.wait(200_000);
    bench.batch(2);
    bench.wait(99_990);
    bench.told(indexed(&[]));
    assert_eq!(bench.pending.take(1), None);
    assert_eq!(bench.told(indexed(&[])), 10, "the last question for it");
    let Some(Verdict::Lost(why)) = bench.pending.take(1) else { panic!() };
    assert_eq!(why, "not indexed in 300 s (ack_timeout)");
    assert_eq!(bench.pending.take(2), None);
    bench.wait(200_000);
    bench.told(nothing("it answered 503"));
    let Some(Verdict::Lost(why)) = bench.pending.take(2) else { panic!() };
    assert_eq!(why, "not confirmed in 300 s (ack_timeout): it answered 503");
}

#[test]
fn a_server_without_acknowledgements_gives_all_back() {
    let mut bench = Bench::new();
    bench.batch(0);
    bench.batch(1);
    bench.told(Told::Unsupported("code 14".into()));
    for id in 0..2 {
        assert_eq!(bench.pending.take(id), Some(Verdict::Unsupported("code 14".into())));
    }
}

#[test]
fn an_id_that_comes_again_makes_all_of_the_channel_doubtful() {
    let mut bench = Bench::new();
    assert!(bench.batch(0) && bench.batch(1));
    assert!(!bench.batch(0));
    for id in 0..2 {
        assert_eq!(bench.pending.take(id), Some(Verdict::Lost(ANEW.into())));
    }
    assert!(!bench.batch(2), "nor does what comes later count");
}

#[test]
fn a_channel_that_was_forgotten_while_it_rested_goes_on() {
    let mut bench = Bench::new();
    assert!(bench.batch(0) && bench.batch(1));
    bench.told(indexed(&[0, 1]));
    assert!(bench.batch(0));
    bench.told(indexed(&[0]));
    assert!(bench.batch(1));
}

#[test]
fn answers_overtake_each_other() {
    let mut bench = Bench::new();
    assert!([2, 0, 3, 1].into_iter().all(|id| bench.batch(id)));
    assert!(bench.batch(1 << 40) && bench.batch((1 << 40) - 1));
    assert_eq!(bench.pending.missing.len() as u64, MOST_MISSING - 1);
}

#[test]
fn a_low_id_is_believed_once_no_other_batch_can_be_meant() {
    // Splunk may have restarted, and the post on the way may have been given the id 0 too.
    let mut bench = Bench::new();
    bench.batch(0);
    let on_the_way = bench.pending.begin();
    bench.told(indexed(&[0]));
    assert_eq!(bench.pending.take(0), None);
    let later = bench.pending.begin();
    assert!(bench.pending.accepted(on_the_way, 1, bench.now));
    assert_eq!(bench.pending.take(0), Some(Verdict::Indexed), "a later post cannot have it");
    bench.pending.declined(later);

    // It had it.
    let mut bench = Bench::new();
    bench.batch(0);
    let on_the_way = bench.pending.begin();
    bench.told(indexed(&[0]));
    assert!(!bench.pending.accepted(on_the_way, 0, bench.now));
    assert!(matches!(bench.pending.take(0), Some(Verdict::Lost(_))));

    // Nobody will know.
    let mut bench = Bench::new();
    bench.batch(0);
    bench.batch(1);
    let on_the_way = bench.pending.begin();
    bench.told(indexed(&[0, 1]));
    assert_eq!(bench.pending.take(1), Some(Verdict::Indexed), "it takes two posts to reach 1");
    bench.pending.unanswered(on_the_way);
    assert!(matches!(bench.pending.take(0), Some(Verdict::Lost(_))));
}

#[test]
fn whoever_goes_away_leaves_nothing_behind() {
    let mut bench = Bench::new();
    bench.batch(0);
    bench.batch(1);
    bench.pending.forget(0);
    bench.told(indexed(&[0, 1]));
    bench.pending.forget(1);
    assert!(bench.pending.is_empty() && bench.pending.settled.is_empty());
}

/// What happens next; numbers choose among what there is.
#[derive(Debug, Clone, Copy)]
enum Event {
    Post,
    /// A node takes a post that is on the way to it.
    Serve(usize, usize),
    /// The client gets an answer, or the connection breaks.
    Answer(usize),
    Break(usize),
    /// A node's indexers have one of its batches.
    Index(usize),
    Restart(usize),
    /// The question is put, a node answers it, the answer arrives or does not.
    Ask,
    ServeAsk(usize),
    Told,
    LoseTold,
    Wait(u64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let n = 0..8_usize;
    let event = prop_oneof![
        4 => Just(Event::Post),
        5 => (n.clone(), n.clone()).prop_map(|(post, node)| Event::Serve(post, node)),
        5 => n.clone().prop_map(Event::Answer),
        1 => n.clone().prop_map(Event::Break),
        4 => n.clone().prop_map(Event::Index),
        1 => n.clone().prop_map(Event::Restart),
        4 => Just(Event::Ask),
        4 => n.prop_map(Event::ServeAsk),
        4 => Just(Event::Told),
        1 => Just(Event::LoseTold),
        1 => (0..200_000_u64).prop_map(Event::Wait),
    ];
    prop::collection::vec(event, 1..120)
}

/// A node's present life.
#[derive(Default)]
struct Node {
    next: u64,
    /// The batch that each id means, until its `true` was told.
    batches: BTreeMap<u64, usize>,
}

struct World {
    bench: Bench,
    nodes: Vec<Node>,
    /// By batch: indexed somewhere.
    indexed: Vec<bool>,
    /// Posts on their way there, and back with an id.
    there: Vec<(Post, usize)>,
    back: Vec<(Post, usize, u64)>,
    /// The batch that each id waits for, as the client has it.
    waits: BTreeMap<u64, usize>,
    asked: Option<(Vec<u64>, Instant)>,
    answer: Option<BTreeSet<u64>>,
}

impl World {
    fn new(nodes: usize) -> Self {
        Self {
            bench: Bench::new(),
            nodes: (0..nodes).map(|_| Node::default()).collect(),
            indexed: Vec::new(),
            there: Vec::new(),
            back: Vec::new(),
            waits: BTreeMap::new(),
            asked: None,
            answer: None,
        }
    }

    fn happen(&mut self, event: Event) {
        let pending = &mut self.bench.pending;
        let now = self.bench.now;
        match event {
            Event::Post => {
                self.there.push((pending.begin(), self.indexed.len()));
                self.indexed.push(false);
            }
            Event::Serve(post, node) if !self.there.is_empty() => {
                let (post, batch) = self.there.remove(post % self.there.len());
                let count = self.nodes.len();
                let node = &mut self.nodes[node % count];
                node.batches.insert(node.next, batch);
                self.back.push((post, batch, node.next));
                node.next += 1;
            }
            Event::Answer(at) if !self.back.is_empty() => {
                let (post, batch, id) = self.back.remove(at % self.back.len());
                if pending.accepted(post, id, now) {
                    self.waits.insert(id, batch);
                }
            }
            Event::Break(at) if !self.back.is_empty() => {
                pending.unanswered(self.back.remove(at % self.back.len()).0);
            }
            Event::Index(at) => {
                let all: Vec<usize> =
                    self.nodes.iter().flat_map(|node| node.batches.values().copied()).collect();
                if !all.is_empty() {
                    self.indexed[all[at % all.len()]] = true;
                }
            }
            Event::Restart(node) => {
                let count = self.nodes.len();
                self.nodes[node % count] = Node::default();
            }
            Event::Ask if self.asked.is_none() => {
                self.asked = pending.question().map(|(_, ids)| (ids, now));
            }
            Event::ServeAsk(node) if self.answer.is_none() => {
                let Some((ids, _)) = &self.asked else { return };
                let count = self.nodes.len();
                let batches = &mut self.nodes[node % count].batches;
                let told: BTreeSet<u64> = ids
                    .iter()
                    .copied()
                    .filter(|id| batches.get(id).is_some_and(|batch| self.indexed[*batch]))
                    .collect();
                batches.retain(|id, _| !told.contains(id));
                self.answer = Some(told);
            }
            Event::Told => {
                if let (Some((ids, asked)), Some(told)) = (self.asked.take(), self.answer.take()) {
                    pending.told(&ids, asked, Told::Indexed(told), now);
                }
            }
            Event::LoseTold => {
                if let Some((ids, asked)) = self.asked.take() {
                    self.answer = None;
                    pending.told(&ids, asked, nothing("lost"), now);
                }
            }
            Event::Wait(millis) => self.bench.wait(millis),
            _ => {}
        }
        let waits = std::mem::take(&mut self.waits);
        for (id, batch) in waits {
            match self.bench.pending.take(id) {
                None => drop(self.waits.insert(id, batch)),
                Some(Verdict::Indexed) => {
                    assert!(self.indexed[batch], "{id} was believed, but is not indexed");
                }
                Some(_) => {}
            }
        }
    }

    /// The answers end, and it is asked until nothing waits.
    fn end(&mut self) {
        for (post, _) in std::mem::take(&mut self.there) {
            self.bench.pending.unanswered(post);
        }
        while !self.back.is_empty() {
            self.happen(Event::Break(0));
        }
        self.happen(Event::LoseTold);
        for _ in 0..200 {
            if self.bench.pending.question().is_some() {
                self.bench.told(indexed(&[]));
            }
            self.happen(Event::Wait(0));
        }
        assert!(self.waits.is_empty(), "some wait for ever: {:?}", self.waits);
        assert!(self.bench.pending.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    /// With one node that restarts at any time, or several that each count for themselves.
    #[test]
    fn what_is_believed_is_indexed_and_nothing_waits_for_ever(
        nodes in 1..3_usize,
        events in events(),
    ) {
        let mut world = World::new(nodes);
        for event in events {
            world.happen(event);
        }
        world.end();
    }
}
