//! What is left of an event in the store's files once it is delivered.

use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{bounds::noise, *};
use crate::store::sinks::Refusal;

/// Bytes of a block that would be recognised.
const PIECE: usize = 24;

impl Bench {
    /// Pieces of every block and dead letter that the store has.
    fn pieces(&self) -> Vec<Vec<u8>> {
        let blocks = self.store.read("blocks", |view| {
            let sql = "SELECT block FROM chunk UNION ALL SELECT body FROM dead_letter";
            let mut rows = view.prepare(sql)?;
            let rows = rows.query_map([], |row| row.get::<_, Vec<u8>>(0))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        });
        let pieces =
            |block: &Vec<u8>| block.chunks_exact(PIECE).map(<[u8]>::to_vec).collect::<Vec<_>>();
        blocks.unwrap().iter().flat_map(pieces).collect()
    }

    /// How many of the pieces are in files of the store.
    fn found(&self, pieces: &[Vec<u8>]) -> usize {
        let files = std::fs::read_dir(self.directory.path()).unwrap();
        let files: Vec<Vec<u8>> =
            files.map(|it| std::fs::read(it.unwrap().path()).unwrap()).collect();
        let here: std::collections::HashSet<&[u8]> =
            files.iter().flat_map(|file| file.windows(PIECE)).collect();
        pieces.iter().filter(|piece| here.contains(piece.as_slice())).count()
    }
}

/// Blocks are compressed, so that a search for a subject would prove nothing: the blocks themselves
/// are searched for.
#[tokio::test]
async fn nothing_of_an_event_is_left_once_it_is_delivered_and_the_store_rests() {
    let bench = Bench::new();
    bench.store.set_sinks(vec![sink("a"), sink("b")]).await.unwrap();
    let mut rng = StdRng::seed_from_u64(7);
    for round in 0..3 {
        let mut pieces = Vec::new();
        for _ in 0..40 {
            let size = rng.random_range(50..9_000);
            bench.add(noise(size, &mut rng), u64::MAX).await;
        }
        pieces.extend(bench.pieces());
        assert!(bench.found(&pieces) > pieces.len() / 2, "they are seen while they are there");
        let to = bench.store.next_seq().unwrap();
        bench.store.mark(&sink("a"), 0..to, 1, Vec::new(), minute(0)).await.unwrap();
        assert!(bench.found(&pieces) > pieces.len() / 2, "one sink has not got it yet");
        let event = bench.store.chunk(to - 1).unwrap().unwrap().last().unwrap().clone();
        let refused = vec![Refusal { event, reason: "no".into() }];
        bench.store.mark(&sink("b"), 0..to, 1, refused, minute(0)).await.unwrap();
        let letter = bench.pieces();
        assert!(!letter.is_empty(), "round {round}");
        bench.store.drop_letters(&dead_letters::Which::All, u64::MAX >> 1).await.unwrap();
        pieces.extend(letter);
        // The WAL is emptied after the answer, and before the next one.
        bench.store.shrink().await.unwrap();
        bench.store.shrink().await.unwrap();
        assert_eq!(bench.found(&pieces), 0, "of {} in round {round}", pieces.len());
    }
}
