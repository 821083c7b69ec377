//! A store of schema 1, whose ledger was one table.

use super::*;

/// A store as the first schema's code left it.
fn old_store(rows: impl FnOnce(&Connection, &Store)) -> Bench {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(crate::store::FILE);
    let flags =
        rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE | rusqlite::OpenFlags::SQLITE_OPEN_CREATE;
    let connection = crate::store::connect(&path, flags, -100).unwrap();
    connection.execute_batch(include_str!("../../schema/0001.sql")).unwrap();
    connection.pragma_update(None, "user_version", 1).unwrap();
    let codec = Bench::new();
    rows(&connection, &codec.store);
    drop(connection);
    Bench { store: Store::open(directory.path()).unwrap(), directory }
}

/// Files a page as the first schema did; ids were 16 bytes of a hash.
fn file(connection: &Connection, store: &Store, stream: i64, page: &[(i64, &str)]) {
    let knowns: Vec<_> = page.iter().map(|(hour, id)| known(1, &Key::new(*hour, id))).collect();
    let block = store.shared.codec.compress(&encoding::encode(knowns.iter())).unwrap();
    let last_hour = page.iter().map(|(hour, _)| *hour).max();
    let sql = "INSERT INTO ledger_block (stream_id, last_hour, block) VALUES (?, ?, ?)";
    connection.execute(sql, params![stream, last_hour, block]).unwrap();
    let block = connection.last_insert_rowid();
    for (slot, (hour, id)) in page.iter().enumerate() {
        let hash = blake3::hash(id.as_bytes());
        let id = &hash.as_bytes()[..16];
        let row = params![stream, hour, id, [1_u8; 16], 1, block, slot];
        connection
            .execute("INSERT OR REPLACE INTO ledger VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            .unwrap();
    }
}

#[tokio::test]
async fn what_was_filed_in_one_table_is_still_known() {
    let page = [(HOUR + 23, "a"), (HOUR + 24, "b"), (HOUR + 24, "c"), (-25, "d"), (-24, "e")];
    let bench = old_store(|connection, store| {
        file(connection, store, 1, &[(HOUR + 23, "a"), (HOUR + 24, "gone")]);
        file(connection, store, 1, &page);
        file(connection, store, 2, &[(0, "licence")]);
        connection.execute("DELETE FROM ledger WHERE block = 1", []).unwrap();
    });
    // The last page's rows are of four partitions: each has the block.
    assert_eq!(bench.rows(), (6, 5));
    let (messages, licence) = (StreamId::for_test(1), StreamId::for_test(2));
    for (hour, id) in page {
        assert!(bench.knows(messages, &Key::new(hour, id)), "{id}");
        let time = Timestamp::from_second(hour * 3600 + 1_234).unwrap();
        let entry = bench.store.look_up(messages, &[Key::at(time, id)]).unwrap()[0].unwrap();
        assert_eq!(bench.store.recall(&entry).unwrap(), known(1, &Key::new(hour, id)));
    }
    assert!(bench.knows(licence, &Key::new(0, "licence")));
    bench.store.forget_records(&[(messages, HOUR + 24)]).await.unwrap();
    assert_eq!(bench.rows(), (3, 2));
}

#[tokio::test]
async fn a_newer_version_hides_the_one_of_the_old_schema() {
    let bench =
        old_store(|connection, store| file(connection, store, 1, &[(HOUR, "a"), (HOUR, "b")]));
    let stream = StreamId::for_test(1);
    let a = Key::at(Timestamp::from_second(HOUR * 3600 + 5).unwrap(), "a");
    bench.file(stream, &[a]).await;
    assert!(bench.knows(stream, &a));
    let all = bench.store.recall_hour(stream, HOUR).unwrap();
    assert_eq!(all.iter().map(|(key, _, _)| *key).collect::<Vec<_>>(), [a, Key::new(HOUR, "b")]);
}

#[test]
fn a_new_store_has_nothing_to_carry_over() {
    let bench = Bench::new();
    let sql = "SELECT count(*) FROM gauge WHERE name = 'ledger_plain_to'";
    let count =
        bench.store.read("count", |view| view.query_row(sql, [], |row| row.get::<_, u64>(0)));
    assert_eq!(count.unwrap(), 0);
}
