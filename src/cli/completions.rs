//! `postrider completions`: what a shell needs to complete the command line.

use clap_complete::{aot, generate};

use super::{Exit, print};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell to write for.
    #[arg(value_enum)]
    shell: Shell,
}

/// The shells that packages install completions for.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl From<Shell> for aot::Shell {
    fn from(shell: Shell) -> Self {
        match shell {
            Shell::Bash => Self::Bash,
            Shell::Zsh => Self::Zsh,
            Shell::Fish => Self::Fish,
        }
    }
}

pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let (mut command, mut text) = (super::command(), Vec::new());
    let name = command.get_name().to_owned();
    generate(aot::Shell::from(args.shell), &mut command, name, &mut text);
    print(String::from_utf8(text)?.trim_end())?;
    Ok(Exit::Done)
}
