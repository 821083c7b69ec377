//! SQLite's write-ahead log, read as its format says (sqlite.org/fileformat2.html, section 4).

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// Where the frames of a log end that are of its present round, and which of them end a transaction.
pub(super) struct Log {
    pub(super) frame: usize,
    /// Bytes up to the end of each commit.
    pub(super) commits: Vec<usize>,
}

impl Log {
    pub(super) fn read(log: &[u8]) -> Self {
        let number = |at: usize| u32::from_be_bytes(log[at..at + 4].try_into().unwrap());
        if log.len() < HEADER {
            return Self { frame: 0, commits: Vec::new() };
        }
        let frame = FRAME_HEADER + usize::try_from(number(8)).unwrap();
        let salts = &log[16..24];
        let mut commits = Vec::new();
        let mut at = HEADER;
        while at + frame <= log.len() && &log[at + 8..at + 16] == salts {
            // The size of the database after a commit; zero within one.
            let is_commit = number(at + 4) != 0;
            at += frame;
            if is_commit {
                commits.push(at);
            }
        }
        Self { frame, commits }
    }
}

/// How many frames of the log are in the database already, from the log's index.
pub(super) fn checkpointed(index: &[u8]) -> u32 {
    index.get(96..100).map_or(0, |bytes| u32::from_ne_bytes(bytes.try_into().unwrap()))
}
