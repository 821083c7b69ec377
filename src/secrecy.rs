//! What keeps secrets inside the process.

use rustix::process::{DumpableBehavior, set_dumpable_behavior};

/// Keeps the process's memory, tokens and keys among it, out of core files, and away from other
/// processes of its user. A limit of size would not do: it does not hold for a core that is piped
/// to a program, as systemd and others have it.
pub fn keep_memory_private() {
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "a crash of this process may write its memory, with secrets, to a file");
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::dumpable_behavior;

    use super::*;

    #[test]
    fn no_core_file_holds_this_process() {
        keep_memory_private();
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    }
}
