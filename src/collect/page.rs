//! What a page means for its slice: pure.

use crate::{
    fault::{Fault, Kind},
    source::Page,
    store::slices::{OpenSlice, Progress, Then},
};

/// Pages without records but with a token, running, before the search counts as broken.
const EMPTY_PAGES: u32 = 3;

/// Refuses a page that cannot be right.
pub(super) fn check(page: Page, slice: &OpenSlice) -> Result<Page, Fault> {
    let second = jiff::SignedDuration::from_secs(1);
    if let Some(theirs) = page.server_time
        && slice.interval.end().duration_since(theirs) > second
    {
        // What the vendor does not have yet would count as covered.
        return Err(Fault::transient(format!(
            "the slice ends after the vendor's time {theirs}: set this machine's clock"
        )));
    }
    if page.next.is_some() && page.next == slice.progress.page_token {
        return Err(Fault::new(Kind::PageTokenRejected, "the vendor's page token repeats itself"));
    }
    if page.next.is_some() && page.received == 0 && slice.progress.empty_pages + 1 >= EMPTY_PAGES {
        let what = format!("{EMPTY_PAGES} pages running have a page token but no records");
        return Err(Fault::new(Kind::PageTokenRejected, what));
    }
    Ok(page)
}

/// Where a slice stands after a page.
pub(super) fn after(page: &Page, slice: &OpenSlice, first_page_size: u32) -> Then {
    let before = &slice.progress;
    let progress = Progress {
        page_token: page.next.clone(),
        page_size: before.page_size,
        pages: before.pages + 1,
        empty_pages: if page.received == 0 { before.empty_pages + 1 } else { 0 },
        received: before.received + page.received,
        unread: before.unread + page.unread,
        total: if before.pages == 0 { page.total } else { before.total },
    };
    if progress.page_token.is_some() {
        return Then::Next(progress);
    }
    let fewer = progress.total.is_some_and(|total| total > progress.received);
    if fewer && slice.refetched == 0 {
        return Then::Refetch(Progress::anew(first_page_size));
    }
    Then::Covered(progress)
}
