//! One page of a search.

use std::{
    collections::{HashMap, VecDeque},
    sync::Mutex,
};

use jiff::Timestamp;

use super::{Etd, LastToken, TotalSize, query::Query};
use crate::simulator::{
    desk::{Answer, Refusal},
    dice::one_in,
    locked,
    timeline::nanos,
    world::{Found, Place},
};

/// More page tokens than this are not remembered; the oldest go.
const TOKENS: usize = 200_000;

#[derive(Default)]
pub(super) struct Pages(Mutex<Issued>);

#[derive(Default)]
struct Issued {
    /// A token is bound to the query that it was given for.
    tokens: HashMap<(String, u64), (Option<Place>, Timestamp)>,
    oldest: VecDeque<(String, u64)>,
    totals: HashMap<(u64, u64), u64>,
    pages: u64,
}

impl Issued {
    fn remember(&mut self, token: &str, query: u64, place: Option<Place>, now: Timestamp) {
        let key = (token.to_owned(), query);
        if self.tokens.insert(key.clone(), (place, now)).is_none() {
            self.oldest.push_back(key);
        }
        if self.oldest.len() > TOKENS
            && let Some(key) = self.oldest.pop_front()
        {
            self.tokens.remove(&key);
        }
    }
}

impl Etd {
    pub(super) fn page(&self, query: &Query, now: Timestamp) -> Answer {
        let quirks = &self.options.quirks;
        let (cursor, number) = {
            let mut issued = locked(&self.pages.0);
            let cursor = match &query.page_token {
                None => None,
                Some(token) => {
                    let known = issued.tokens.get(&(token.clone(), query.fingerprint)).copied();
                    let fresh = known.filter(|(_, at)| {
                        at.checked_add(self.options.page_token_life).unwrap_or(Timestamp::MAX) > now
                    });
                    let Some((place, _)) = fresh else { return self.refuse(Refusal::PageToken) };
                    place
                }
            };
            issued.pages += 1;
            (cursor, issued.pages)
        };
        let too_large = || {
            let text = "The server generated a response that exceeds the limit. Please reduce the \
                        page size or time range";
            self.error(502, text)
        };
        if quirks.too_large_above.is_some_and(|most| query.page_size > most) {
            return too_large();
        }
        let found = self.world.range(nanos(query.from), nanos(query.to), now);
        let wanted = |place: &Place| {
            query.is_unfiltered() || {
                let profile = self.world.profile(*place);
                let state = self.world.state(&profile, place.1, now);
                query.matches(&profile, state.latest)
            }
        };
        let size = usize::try_from(query.page_size).unwrap_or(1);
        let mut rest = found.places(&self.world, cursor, quirks.newest_first).filter(wanted);
        let mut places: Vec<Place> = Vec::with_capacity(size);
        let empty = one_in(quirks.empty_page_every, self.desk.seed ^ 0xE3, number);
        if !empty {
            // With room for one message only, a repeated one would be no progress.
            if size > 1
                && let Some(last) = cursor
                && one_in(quirks.duplicate_every, self.desk.seed ^ 0xD1, last.1)
            {
                places.push(last);
            }
            while places.len() < size
                && let Some(place) = rest.next()
            {
                places.push(place);
                let again = one_in(quirks.duplicate_every, self.desk.seed ^ 0xD0, place.1);
                if again && places.len() < size {
                    places.push(place);
                }
            }
        }
        let more = rest.next().is_some();
        if let Some((fat, most)) = quirks.fat_message
            && query.page_size > most
            && places.iter().any(|place| place.1 == fat)
        {
            return too_large();
        }
        let total = self.total(query, &found, now, wanted);
        let last = places.last().copied().or(cursor);
        let token = more.then(|| self.page_token(query, last, number, empty, now));
        Answer::json(200, self.write_page(&places, token.as_deref(), total, number, now))
    }

    fn total(
        &self,
        query: &Query,
        found: &Found,
        now: Timestamp,
        wanted: impl Fn(&Place) -> bool,
    ) -> u64 {
        let exact = if query.is_unfiltered() {
            found.len()
        } else {
            let key = (query.fingerprint, self.world.version());
            let known = locked(&self.pages.0).totals.get(&key).copied();
            known.unwrap_or_else(|| {
                let total = found.places(&self.world, None, false).filter(wanted).count() as u64;
                let mut issued = locked(&self.pages.0);
                // Verdicts also come with time: an old count is only an estimate, as the vendor's.
                if issued.totals.len() > 1_000 {
                    issued.totals.clear();
                }
                issued.totals.insert(key, total);
                total
            })
        };
        match self.options.quirks.total_size {
            TotalSize::Exact => exact,
            TotalSize::Zero => 0,
            TotalSize::Wrong => exact / 2 + u64::from(now.subsec_nanosecond().unsigned_abs() % 7),
            TotalSize::Capped => exact.min(10_000),
        }
    }

    /// `"<timestamp>:<id of the last message>"`. After an empty page that place is the same as
    /// before, but the token must not be: clients stop when one repeats.
    fn page_token(
        &self,
        query: &Query,
        last: Option<Place>,
        number: u64,
        empty: bool,
        now: Timestamp,
    ) -> String {
        let time = last.map_or(nanos(query.from), |last| last.0) / 1_000_000;
        let id = last.map_or(uuid::Uuid::nil(), |last| self.world.id(last.1));
        let token = if empty { format!("{time}:{id}:{number}") } else { format!("{time}:{id}") };
        locked(&self.pages.0).remember(&token, query.fingerprint, last, now);
        token
    }

    fn write_page(
        &self,
        places: &[Place],
        token: Option<&str>,
        total: u64,
        number: u64,
        now: Timestamp,
    ) -> String {
        let mut out = String::with_capacity(256 + places.len() * 3_200);
        out.push('{');
        let last_token = match self.options.quirks.last_token {
            LastToken::Mixed => [LastToken::Empty, LastToken::Null, LastToken::Absent]
                [usize::try_from(number % 3).unwrap_or(0)],
            style => style,
        };
        match (token, last_token) {
            (Some(token), _) => {
                put!(&mut out, r#""nextPageToken":"{token}","#);
            }
            (None, LastToken::Empty) => out.push_str(r#""nextPageToken":"","#),
            (None, LastToken::Null) => out.push_str(r#""nextPageToken":null,"#),
            (None, _) => {}
        }
        put!(&mut out, r#""totalSize":{total},"data":{{"messages":["#);
        for (at, place) in places.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            let profile = self.world.profile(*place);
            let state = self.world.state(&profile, place.1, now);
            let order = self.world.order(number, place.1);
            self.world.write(*place, &profile, &state, order, &mut out);
        }
        out.push_str("]}}");
        out
    }

    /// How many searches of full pages it takes to read everything once.
    pub(crate) fn fewest_searches(&self) -> u64 {
        self.world.held(self.desk.now()).div_ceil(100)
    }
}
