//! stub
#[derive(Debug, clap::Args)]
pub struct Args {}
pub async fn run(_: Args) -> anyhow::Result<super::Exit> {
    Ok(super::Exit::Done)
}
