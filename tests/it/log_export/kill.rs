//! kill -9 at each transaction of the log export, and inside of its files.

use std::os::unix::process::ExitStatusExt as _;

use jiff::SignedDuration;

use super::{Tenant, export, tenant};
use crate::harness::{now, until};

/// Runs `once` until it dies there; false where it ended by itself.
async fn killed(tenant: &Tenant, point: &str) -> bool {
    // Nothing is asked of the export before a vendor has told the time, by an answer to what is live.
    let later = now().checked_add(SignedDuration::from_millis(1_100)).unwrap();
    until("something live", || (now() > later).then_some(())).await;
    let mut command = tenant.home.command(&["once"]);
    let ended = command.env("POSTRIDER_FAIL_POINT", point).output().await.unwrap();
    let killed = ended.status.signal() == Some(9);
    assert!(killed || ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    killed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_inside_a_file_loses_nothing_and_tells_nothing_twice() {
    let mut kills = 0;
    for points in [
        &["keep-places:before:1", "commit-lines:before:1", "commit-lines:after:1"][..],
        &["keep-places:after:1", "commit-lines:before:7", "export-asked:before:1"],
        &["commit-lines:after:5", "export-asked:after:1", "compare-created:before:1"],
        &[
            "export-asked:before:2",
            "compare-created:after:1",
            "spare-resweeps:before:1",
            "spare-resweeps:after:1",
        ],
        &["commit-lines:after:11", "commit-lines:before:2", "export-asked:after:1"],
    ] {
        let tenant = tenant(export()).await;
        for point in points {
            let killed = killed(&tenant, point).await;
            assert!(killed, "{point} in {points:?}");
            kills += 1;
        }
        assert!(!killed(&tenant, "nowhere:before:1").await);
        assert_eq!(tenant.arrived(), tenant.expected(), "{points:?}");
    }
    assert_eq!(kills, 16);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_while_the_export_is_switched_off_or_in_trouble_costs_nothing() {
    let off = super::LogExport { types: vec!["message"], ..export() };
    let tenant = tenant(off).await;
    for point in ["export-trouble:before:1", "export-trouble:after:1"] {
        assert!(killed(&tenant, point).await, "{point}");
    }
    assert!(!killed(&tenant, "nowhere:before:1").await);
    let expected = tenant.arrived();
    assert_eq!(expected.revisions, tenant.expected().revisions);
    for point in ["drop-places:before:1", "drop-places:after:1"] {
        tenant.configure(false);
        assert!(killed(&tenant, point).await, "{point}");
        // What is known is found again when it is on again.
        tenant.configure(true);
        tenant.home.once().await;
        assert_eq!(tenant.arrived(), expected);
    }
}
