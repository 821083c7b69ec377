//! stub
#[derive(Debug, clap::Args)]
pub struct Args {}
pub async fn run(_: Option<&std::path::Path>, _: Args) -> anyhow::Result<super::Exit> {
    Ok(super::Exit::Done)
}
