//! Which streams of a source are collected by themselves, and how.

use std::{borrow::Cow, time::Duration};

use super::{Source, Start, Vendor};
use crate::domain::slice::Stream;

const HOUR: Duration = Duration::from_hours(1);

impl Vendor {
    /// The streams such a source makes, the sliced one first.
    pub fn streams(&self) -> &'static [Stream] {
        match self {
            Self::CiscoEtd(etd) if etd.log_export => &[Stream::Messages, Stream::Audit],
            Self::CiscoEtd(_) => &[Stream::Messages],
            Self::ProofpointSer(_) => &[Stream::Summary, Stream::Entitlement],
            Self::ProofpointSerAdmin(_) => &[Stream::Usage, Stream::Failures, Stream::RelayUsers],
        }
    }
}

impl Source {
    /// Whether it is an ETD account whose log export is read, too.
    pub fn has_log_export(&self) -> bool {
        matches!(&self.vendor, Vendor::CiscoEtd(etd) if etd.log_export)
    }

    /// The streams with slices of their own, each with the configuration that it is collected by;
    /// what else the source has comes with the first one's slices.
    pub fn sliced(&self) -> Vec<(Stream, Cow<'_, Self>)> {
        let first = self.vendor.streams().first().map(|first| (*first, Cow::Borrowed(self)));
        let users = match &self.vendor {
            Vendor::ProofpointSerAdmin(admin) if admin.relay_users => {
                Some((Stream::RelayUsers, Cow::Owned(self.hourly())))
            }
            _ => None,
        };
        first.into_iter().chain(users).collect()
    }

    /// For what is so now: it has no past to collect, and is not read again. A day back, so that
    /// the first run reads all once.
    fn hourly(&self) -> Self {
        Self {
            slice: HOUR,
            lag: Duration::ZERO,
            start: Start::Back(24 * HOUR),
            resweep: Vec::new(),
            // Where nobody changes anything, nothing comes: no silence is too long.
            expect_records_within: Some(Duration::MAX),
            ..self.clone()
        }
    }
}
