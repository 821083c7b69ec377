//! Blocks, damaged at will, for `crate::fuzzing`.

use super::encoding::{Versions, encode};
use crate::{
    domain::{
        change::{self, Known},
        fingerprint,
        row::KnownRow,
    },
    store::block::Codec,
};

/// A block's bytes.
pub fn ledger(bytes: &[u8]) {
    drop(Codec::default().restore(bytes));
    let versions = Versions::of(bytes).into_iter().flatten();
    // A few are as good as many: each may refer to a list as long as the block.
    let known: Vec<Known> = versions.take(64).filter_map(|version| version.known(1)).collect();
    for pair in known.windows(2) {
        fingerprint::changed(&pair[0].members, &pair[1].members);
    }
    for known in &known {
        KnownRow::read(&known.watched);
        change::vanish(known);
    }
    assert_kept(&known);
}

/// What is packed comes out as it went in.
pub(crate) fn assert_kept(versions: &[Known]) {
    let codec = Codec::default();
    let block = codec.compress(&encode(versions.iter())).expect("memory to compress in");
    let plain = codec.restore(&block).expect("its own block");
    let read = Versions::of(&plain).expect("its own block");
    let read = read.zip(versions).map(|(version, known)| version.known(known.revision));
    assert!(read.eq(versions.iter().cloned().map(Some)));
}
