//! A kill at each place, at its first, second and some later time, before and after.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt as _;

use super::{
    places::{self, EXCLUDED, OTHERS},
    scene::{Act, IN_FLIGHT, Scene},
};

const ACTS: [Act; 8] = [
    Act::Collect,
    Act::Resweep,
    Act::Backfill,
    Act::Cancel,
    Act::Forget,
    Act::Replay,
    Act::Drop,
    Act::Rest,
];
/// Worlds at once: each waits much of the time.
const SIDE_BY_SIDE: usize = 6;

/// One kill.
#[derive(Debug, Clone)]
struct Cell {
    act: Act,
    /// A place with its moment, such as `mark:before`.
    point: String,
    time: usize,
}

/// What came of it; `None` where the process ended before.
struct Outcome {
    cell: Cell,
    ended: Option<Ended>,
}

struct Ended {
    lost: u64,
    wrong: Vec<String>,
    copies: [u64; 3],
    allowed: [u64; 3],
}

async fn play(cell: Cell) -> Outcome {
    let mut scene = Scene::new(1).await;
    scene.prepare(cell.act).await;
    let killed = scene.play_to(cell.act, &format!("{}:{}", cell.point, cell.time)).await;
    scene.finish(cell.act).await;
    if !killed {
        return Outcome { cell, ended: None };
    }
    let audit = scene.audit().await;
    let allowed = IN_FLIGHT.map(|events| events * scene.kills);
    let mut wrong = audit.wrong;
    if audit.copies.iter().zip(allowed).any(|(copies, allowed)| *copies > allowed) {
        wrong.push(format!("{:?} copies, {allowed:?} allowed", audit.copies));
    }
    let ended = Ended { lost: audit.lost, wrong, copies: audit.copies, allowed };
    Outcome { cell, ended: Some(ended) }
}

/// How often each act comes to each place.
async fn reached() -> BTreeMap<Act, BTreeMap<String, usize>> {
    let acts = futures_util::stream::iter(ACTS).map(async |act| {
        let mut scene = Scene::new(1).await;
        scene.prepare(act).await;
        let mut times: BTreeMap<String, usize> = BTreeMap::new();
        for point in scene.places(act).await {
            *times.entry(point).or_default() += 1;
        }
        (act, times)
    });
    acts.buffer_unordered(SIDE_BY_SIDE).collect().await
}

/// Each place in the first act that comes to it.
fn a_part(reached: &BTreeMap<Act, BTreeMap<String, usize>>) -> Vec<Cell> {
    let mut cells = Vec::new();
    let mut seen = BTreeSet::new();
    for (act, points) in reached {
        let new = points.iter().filter(|(point, _)| seen.insert((*point).clone()));
        for (point, times) in new {
            let late = ["commit-page", "mark", "send"].iter().any(|p| point.starts_with(p));
            let time = if late { times / 2 } else { 1 };
            cells.push(Cell { act: *act, point: point.clone(), time: time.max(1) });
        }
    }
    cells
}

/// Each place in each act, at several times.
fn all(reached: &BTreeMap<Act, BTreeMap<String, usize>>) -> Vec<Cell> {
    let mut cells = Vec::new();
    for (act, points) in reached {
        for (point, times) in points {
            if *act == Act::Rest && !point.starts_with("shrink") {
                continue;
            }
            // Not the very last: how often depends a little on who was first.
            for time in BTreeSet::from([1, 2, times / 2, times * 3 / 4]) {
                if (1..=*times).contains(&time) {
                    cells.push(Cell { act: *act, point: point.clone(), time });
                }
            }
        }
    }
    cells
}

async fn run(choose: impl Fn(&BTreeMap<Act, BTreeMap<String, usize>>) -> Vec<Cell>) {
    let reached = reached().await;
    let cells = choose(&reached);
    let outcomes: Vec<Outcome> =
        futures_util::stream::iter(cells).map(play).buffer_unordered(SIDE_BY_SIDE).collect().await;
    println!("{}", table(&outcomes));

    let killed_at = |place: &str| {
        let of = |outcome: &&Outcome| outcome.cell.point.split(':').next() == Some(place);
        outcomes.iter().filter(of).any(|outcome| outcome.ended.is_some())
    };
    let excluded: BTreeSet<&str> = EXCLUDED.iter().map(|(place, _)| *place).collect();
    let places: BTreeSet<String> =
        places::transactions().into_iter().chain(OTHERS.map(ToOwned::to_owned)).collect();
    let missed: Vec<_> = places
        .iter()
        .filter(|place| !excluded.contains(place.as_str()) && !killed_at(place))
        .collect();
    assert!(missed.is_empty(), "no process was killed at {missed:?}; see places.rs and scene.rs");
    let bad: Vec<String> = outcomes
        .iter()
        .filter_map(|outcome| outcome.ended.as_ref().map(|ended| (&outcome.cell, ended)))
        .filter(|(_, ended)| ended.lost > 0 || !ended.wrong.is_empty())
        .map(|(cell, ended)| format!("{cell:?}: lost {}, {:#?}", ended.lost, ended.wrong))
        .collect();
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

/// The outcomes by place, as Markdown.
fn table(outcomes: &[Outcome]) -> String {
    let mut by_point: BTreeMap<&str, Vec<(&Cell, &Ended)>> = BTreeMap::new();
    for Outcome { cell, ended } in outcomes {
        if let Some(ended) = ended {
            by_point.entry(&cell.point).or_default().push((cell, ended));
        }
    }
    let mut text = String::from(
        "| killed at | kills | at its n-th time | lost | duplicates: mean | most | allowed |\n\
         | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    let sum = |of: &[u64; 3]| of.iter().sum::<u64>();
    let (mut kills, mut lost, mut copies, mut most) = (0, 0, 0, 0);
    for (point, ended) in by_point {
        let times: BTreeSet<usize> = ended.iter().map(|(cell, _)| cell.time).collect();
        let times: Vec<String> = times.iter().map(ToString::to_string).collect();
        let of_point: Vec<u64> = ended.iter().map(|(_, ended)| sum(&ended.copies)).collect();
        let gone: u64 = ended.iter().map(|(_, ended)| ended.lost).sum();
        let worst = of_point.iter().max().copied().unwrap_or(0);
        let allowed = ended.iter().map(|(_, ended)| sum(&ended.allowed)).max().unwrap_or(0);
        let point = point.replace(':', ", ");
        text += &row(&point, ended.len(), &times.join(", "), gone, mean(&of_point), worst, allowed);
        kills += ended.len();
        lost += gone;
        copies += of_point.iter().sum::<u64>();
        most = most.max(worst);
    }
    let mean = mean(&[copies]) / mean(&[kills as u64]).max(1.0);
    text + &row("all", kills, "", lost, mean, most, sum(&IN_FLIGHT))
}

fn row(
    point: &str,
    kills: usize,
    times: &str,
    lost: u64,
    mean: f64,
    most: u64,
    allowed: u64,
) -> String {
    format!("| {point} | {kills} | {times} | {lost} | {mean:.1} | {most} | {allowed} |\n")
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
pub(super) fn mean(of: &[u64]) -> f64 {
    of.iter().sum::<u64>() as f64 / of.len().max(1) as f64
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_at_each_place_loses_nothing() {
    run(a_part).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the whole matrix takes minutes"]
async fn a_kill_at_each_place_at_several_times_loses_nothing() {
    run(all).await;
}
