//! What the simulated log export is like.

use crate::simulator::{LogExport, Spoil, SpoilKind};

#[derive(Debug, clap::Args)]
#[expect(clippy::struct_field_names, reason = "they are flags of a command line")]
pub(super) struct LogExportArgs {
    /// The configuration reads ETD's log export, too
    #[arg(long)]
    log_export: bool,
    /// Which logs are switched on in the console: message, audit
    #[arg(long, value_delimiter = ',', default_value = "message,audit", value_name = "TYPE")]
    log_types: Vec<LogType>,
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "KIND",
        help = "What is wrong with some files of the log export: broken_gzip, half_line, \
                long_line, html, expired, gone"
    )]
    log_spoils: Vec<SpoilKind>,
    /// One in so many files
    #[arg(long, default_value_t = 5, value_name = "N")]
    log_spoil_every: u32,
    /// At how many of its readings a file is so; 0 for good
    #[arg(long, default_value_t = 1, value_name = "N")]
    log_spoil_times: u32,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum LogType {
    Message,
    Audit,
}

impl LogExportArgs {
    pub(super) fn options(&self) -> LogExport {
        let types = self.log_types.iter().map(|log_type| match log_type {
            LogType::Message => "message",
            LogType::Audit => "audit",
        });
        let (every, times) = (self.log_spoil_every, self.log_spoil_times);
        let spoil = |kind: &SpoilKind| Spoil { kind: *kind, every, times };
        LogExport {
            types: types.collect(),
            spoils: self.log_spoils.iter().map(spoil).collect(),
            ..LogExport::default()
        }
    }

    /// What the source's section says of it.
    pub(super) fn line(&self) -> &'static str {
        if self.log_export { "log_export = true\n" } else { "" }
    }
}
