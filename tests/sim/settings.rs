//! The configuration of a seed, read from text as a user's is.

use std::path::Path;

use postrider::config::{self, Config};

use crate::{
    clock,
    history::{History, Host, Settings},
    system::endpoints,
    world::{ETD_RATE, SER_PER_MINUTE},
};

pub(crate) fn config(history: &History, directory: &Path, archive: bool) -> Config {
    let text = text(history, archive);
    let path = directory.join("postrider.toml");
    std::fs::write(&path, &text).expect("the directory is ours");
    let loaded = config::load(Some(&path), [], clock::begin());
    loaded.unwrap_or_else(|problems| panic!("{problems}\n{text}")).config
}

fn text(history: &History, archive: bool) -> String {
    let Settings {
        every,
        slice,
        resweeps,
        page_size,
        in_flight,
        per_day,
        reconcile,
        max_spool,
        batch_events,
        batch_age,
        batches,
        gzip,
        asks,
        ack_timeout,
        back,
        ..
    } = &history.settings;
    let start = clock::begin() - *back;
    let resweep = |all: &[std::time::Duration]| {
        let all: Vec<_> =
            all.iter().map(|after| format!("{{ after = \"{}s\" }}", after.as_secs())).collect();
        format!("[{}]", all.join(", "))
    };
    let (every, slice, age) = (every.as_secs(), slice.as_secs(), batch_age.as_secs());
    let (sweeps, rate, burst) = (resweep(resweeps), ETD_RATE.rate, ETD_RATE.burst);
    let ack_timeout = ack_timeout.as_secs();
    let compression = if *gzip { "gzip" } else { "none" };
    let log_export = history.export.is_some();
    let [one, two, other] = endpoints();
    let (etd, ser) = (Host::Etd.name(), Host::Ser.name());
    let credentials = "client_id = \"sim-client\"\nclient_secret = \"sim-secret\"";
    let token = "token = \"11111111-2222-3333-4444-555555555555\"\nhost = \"sim\"";
    let batch = format!(
        "batch = {{ max_events = {batch_events}, max_bytes = \"256KiB\", max_age = \"{age}s\" }}\n\
         max_in_flight = {batches}\ncompression = \"{compression}\""
    );
    let text = format!(
        "[state]\ndirectory = {directory:?}\nmax_spool = \"{max_spool}B\"\n\
         [sources.etd]\ntype = \"cisco_etd\"\nbase_url = \"https://{etd}\"\n{credentials}\n\
         api_key = \"sim-api-key\"\nstart = \"{start}\"\nschedule = {{ every = \"{every}s\" }}\n\
         slice = \"{slice}s\"\npage_size = {page_size}\nmax_in_flight = {in_flight}\n\
         resweep = {sweeps}\nreconcile = {reconcile}\nlog_export = {log_export}\n\
         rate_limit = {{ per_second = {rate}, burst = {burst}, per_day = {per_day} }}\n\
         [sources.ser]\ntype = \"proofpoint_ser\"\nbase_url = \"https://{ser}\"\n\
         token_url = \"https://{ser}/v1/token\"\n{credentials}\nstart = \"{start}\"\n\
         schedule = {{ every = \"{every}s\" }}\nresweep = {sweeps}\n\
         rate_limit = {{ per_minute = {SER_PER_MINUTE}, burst = 20 }}\n\
         [sinks.splunk]\ntype = \"splunk_hec\"\nendpoints = [\"{one}\", \"{two}\"]\n{token}\n\
         acknowledgements = \"{asks}\"\nack_timeout = \"{ack_timeout}s\"\n{batch}\n",
        directory = "/nowhere",
    );
    if !archive {
        return text;
    }
    format!(
        "{text}[sinks.archive]\ntype = \"splunk_hec\"\nendpoints = [\"{other}\"]\n{token}\n\
         acknowledgements = \"off\"\nmax_in_flight = 2\n\
         batch = {{ max_events = 20, max_bytes = \"256KiB\", max_age = \"10s\" }}\n"
    )
}
