//! How many calls it takes.

use postrider::simulator::{CallStats, Limits, Rate, Stats};

use crate::{
    check::assert_settled,
    harness::{Home, ago, etd, plain, ser, simulate, until},
    records::lines,
};

/// Calls of the search, however they ended.
pub(crate) fn searches(stats: &Stats) -> u64 {
    calls(&stats.etd, "POST /v1/messages/search")
}

pub(crate) fn calls(stats: &CallStats, endpoint: &str) -> u64 {
    let of = stats.calls.iter().filter(|(name, _)| name.starts_with(endpoint));
    of.map(|(_, count)| count).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_nothing_wrong_a_slice_costs_one_call_more_than_its_pages_at_most() {
    let simulation = simulate(plain(5_000)).await;
    let home = Home::new();
    home.configure(&[etd(&simulation.etd_url, ""), home.file_sink()]);
    let ended = home.once().await;
    let slices = ended.stderr.matches("slice covered").count() as u64;
    let stats = simulation.stats();
    let (made, most) = (searches(&stats), 5_000_u64.div_ceil(100) + slices);
    println!("{made} searches of {most} allowed, {slices} slices");
    assert!((7..=9).contains(&slices), "{slices}");
    assert!(made <= most, "{made} searches, {most} allowed");
    assert_eq!(calls(&stats.etd, "POST /v1/oauth/token"), 1);
    assert_eq!(lines(&home).len(), 5_000);

    // What is collected is not asked for again.
    home.once().await;
    assert!(searches(&simulation.stats()) <= made + 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_kill_it_goes_on_inside_the_slice() {
    const IN_FLIGHT: u64 = 3;
    // Slow enough to be killed inside its slices.
    let extra = format!(
        "max_in_flight = {IN_FLIGHT}\n\
         rate_limit = {{ per_second = 100, burst = 4, per_day = 100000 }}"
    );
    let whole = {
        let simulation = simulate(plain(6_000)).await;
        let home = Home::new();
        home.configure(&[etd(&simulation.etd_url, &extra), home.file_sink()]);
        home.once().await;
        searches(&simulation.stats())
    };
    for kill_after in [2, 11, 29] {
        let simulation = simulate(plain(6_000)).await;
        let home = Home::new();
        home.configure(&[etd(&simulation.etd_url, &extra), home.file_sink()]);
        let process = home.start(&["run"]);
        let answered = || (searches(&simulation.stats()) >= kill_after).then_some(());
        until("searches", answered).await;
        process.kill9().await;
        let before = searches(&simulation.stats());
        home.once().await;
        let made = searches(&simulation.stats());
        // The later start may find a second or two more to collect: one slice.
        let most = whole + 2 * IN_FLIGHT + 2;
        println!("{made} searches, {whole} without the kill after {before}");
        assert!(before < whole, "killed too late to show anything");
        assert!(made <= most, "{made} searches, {most} allowed");
        assert!(lines(&home).len() >= 6_000);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_vendors_limits_are_never_passed() {
    futures_util::join!(
        limited_by_second(Rate { rate: 2.0, burst: 4 }, 3_000),
        limited_by_second(Rate { rate: 50.0, burst: 10 }, 20_000),
        limited_by_minute(),
    );
}

async fn limited_by_second(rate: Rate, messages: u64) {
    let mut options = plain(messages);
    options.etd.limits = Limits { per_second: Some(rate), ..Limits::default() };
    let simulation = simulate(options).await;
    let home = Home::new();
    let Rate { rate, burst } = rate;
    let limit =
        format!("rate_limit = {{ per_second = {rate}, burst = {burst}, per_day = 100000 }}");
    home.configure(&[etd(&simulation.etd_url, &limit), home.file_sink()]);
    let began = std::time::Instant::now();
    home.once().await;
    let took = began.elapsed().as_secs_f64();
    let stats = simulation.stats();
    assert_eq!(stats.etd.limited, 0, "{:?}", stats.etd);
    let made: u64 = stats.etd.calls.values().sum();
    #[expect(clippy::cast_precision_loss, reason = "a share for people")]
    let share = made as f64 / (took * rate + f64::from(burst));
    println!("{made} calls in {took:.1} s: {share:.2} of what {rate} a second permits");
    assert_settled(&home.status().await);
}

/// A thousand in any minute.
async fn limited_by_minute() {
    let mut options = plain(1);
    options.ser.users = 1;
    options.ser.limits = Limits { per_minute: Some(1_000), ..Limits::default() };
    let simulation = simulate(options).await;
    let home = Home::new();
    let start = format!("start = {:?}", ago(1_060 * 3_600).to_string());
    let limit = "rate_limit = { per_minute = 1000, burst = 50 }";
    home.configure(&[ser(&simulation.ser_url, &format!("{start}\n{limit}")), home.file_sink()]);
    let began = std::time::Instant::now();
    home.once().await;
    let stats = simulation.stats();
    assert_eq!(stats.ser.limited, 0, "{:?}", stats.ser);
    let made: u64 = stats.ser.calls.values().sum();
    assert!(made > 1_000, "not enough to reach the limit");
    println!(
        "{made} calls in {:.1} s, {} in the fullest minute",
        began.elapsed().as_secs_f64(),
        stats.ser.most_calls_in_a_minute
    );
    assert_settled(&home.status().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_does_not_pass_the_limit_either() {
    let mut options = plain(1_000);
    options.etd.limits.per_second = Some(Rate { rate: 2.0, burst: 4 });
    let simulation = simulate(options).await;
    let home = Home::new();
    let limit = "rate_limit = { per_second = 2, burst = 4, per_day = 100000 }";
    home.configure(&[etd(&simulation.etd_url, limit), home.file_sink()]);
    for _ in 0..3 {
        let process = home.start(&["run"]);
        let goal = searches(&simulation.stats()) + 4;
        until("searches", || (searches(&simulation.stats()) >= goal).then_some(())).await;
        process.kill9().await;
    }
    home.once().await;
    assert_eq!(simulation.stats().etd.limited, 0, "{:?}", simulation.stats().etd);
    assert_settled(&home.status().await);
}
