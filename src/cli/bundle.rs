//! `postrider bundle`: what somebody who helps needs to know, in one archive without secrets and
//! without events.

use std::path::{Path, PathBuf};

use anyhow::Context;

use super::{
    Exit,
    layout::{drawn, grid, width, wrapped},
    print, setup,
};

mod archive;
mod configuration;
mod contents;
mod logs;
mod metrics;
mod secrets;
mod versions;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The archive to write; by default postrider-bundle-TIME.tar.gz in this directory.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub async fn run(file: Option<&Path>, args: Args) -> anyhow::Result<Exit> {
    console::set_colors_enabled(false);
    let now = setup::clock().now();
    let name = now.strftime("postrider-bundle-%Y%m%dT%H%M%SZ").to_string();
    let out = args.out.unwrap_or_else(|| PathBuf::from(format!("{name}.tar.gz")));
    let entries = contents::gather(file, now).await;
    archive::write(&out, &name, &entries, now)
        .with_context(|| format!("cannot write {}", out.display()))?;
    let mut table = grid(&["file", "what is in it"]);
    for entry in &entries {
        table.add_row([entry.name, &entry.about()]);
    }
    print(&drawn(table))?;
    let out = out.display();
    let note = format!(
        "{out} has these files, and only you may read it. No event is in it, and secrets are shown \
         by their form only; but what a vendor or a SIEM answered is, and such an answer may quote \
         an event. Look for yourself before you send it: tar xzf {out}"
    );
    print(&format!("\n{}", wrapped(&note, 0, width())))?;
    Ok(Exit::Done)
}
