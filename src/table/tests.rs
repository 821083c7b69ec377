use super::*;

fn row(application: &str) -> Row {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    Row {
        window_start: at("2026-11-20T10:00:00Z"),
        window_end: at("2026-11-20T11:00:00Z"),
        source: "ser".into(),
        application: Some(application.into()),
        application_user: None,
        envelope_from: Some(String::new()),
        header_from: None,
        status: [
            Some(1),
            None,
            Some(0),
            None,
            None,
            Some(i128::from(i64::MAX)),
            None,
            Some(-3),
            None,
        ],
        dsn: [Some(2), None, None, None],
        other_counters: Some(r#"{"x":1}"#.into()),
        revision: 2,
        event_id: "e".into(),
        record_id: "r".into(),
        collected_at: None,
        vanished: false,
    }
}

fn written(format: Format, rows: &[Row]) -> String {
    String::from_utf8(format.write(rows).unwrap()).unwrap()
}

#[test]
fn every_row_has_every_column() {
    assert_eq!(row("a").cells().count(), columns().count());
    for ((name, kind), cell) in columns().zip(row("a").cells()) {
        let same = matches!(
            (kind, cell),
            (Kind::Time, Cell::Time(_))
                | (Kind::Text, Cell::Text(_))
                | (Kind::Count, Cell::Count(_))
        );
        assert!(same, "{name}");
    }
}

#[test]
fn csv_has_no_formulas() {
    for (text, cell) in [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("'=1", "''=1"),
        ("＝1", "'＝1"),
        ("a;=1", "a;=1"),
        ("a=1", "a=1"),
        ("say \"hi\", you", "say \"\"hi\"\", you"),
    ] {
        let csv = written(Format::Csv, &[row(text)]);
        assert!(csv.contains(&format!(",\"ser\",\"{cell}\",")), "{text:?}: {csv}");
    }
}

#[test]
fn json_has_a_line_a_row_and_numbers_as_they_are() {
    let json = written(Format::Json, &[row("a"), Row { vanished: true, ..row("b") }]);
    insta::assert_snapshot!(json);
}

#[test]
fn an_empty_table_has_its_columns() {
    assert_eq!(written(Format::Csv, &[]).lines().count(), 1);
    assert!(Format::Parquet.write(&[]).unwrap().starts_with(b"PAR1"));
}

#[test]
fn rows_are_kept_as_they_are() {
    let large = Row { status: [Some(i128::MAX); 9], ..row("a\n\u{1f980}") };
    let text = serde_json::to_string(&large).unwrap();
    assert_eq!(serde_json::from_str::<Row>(&text).unwrap(), large);
}

/// Texts of the fixture that JSON can hold, one a row, in every place where a vendor gives a text.
fn hostile() -> Vec<(String, Row)> {
    const SUBJECTS: &str = include_str!("../../tests/fixtures/hostile/subjects.jsonl");
    let texts = SUBJECTS.lines().filter_map(|line| serde_json::from_str::<String>(line).ok());
    let row = |text: String| {
        let [user, from, header, other] = [(); 4].map(|()| Some(text.clone()));
        let names =
            Row { application_user: user, envelope_from: from, header_from: header, ..row(&text) };
        (text.clone(), Row { other_counters: other, record_id: text, ..names })
    };
    let rows: Vec<_> = texts.map(row).collect();
    assert!(rows.len() >= 100);
    rows
}

/// Where `hostile` has its texts.
const PLACES: [usize; 6] = [3, 4, 5, 6, 20, 23];

#[test]
fn csv_reads_back_as_what_was_put_in() {
    let (texts, rows): (Vec<_>, Vec<_>) = hostile().into_iter().unzip();
    let csv = Format::Csv.write(&rows).unwrap();
    let read: Vec<_> =
        ::csv::Reader::from_reader(&*csv).records().collect::<Result<_, _>>().unwrap();
    assert_eq!(read.len(), texts.len());
    for (text, record) in texts.iter().zip(&read) {
        assert_eq!((record.len(), &record[2]), (columns().count(), "ser"), "{text:?}");
        for cell in PLACES.map(|place| &record[place]) {
            assert_eq!(cell.strip_prefix('\'').unwrap_or(cell), text);
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']), "{cell:?}");
        }
    }
}

#[test]
fn parquet_reads_back_as_what_was_put_in() {
    use ::parquet::{
        file::reader::{FileReader, SerializedFileReader},
        record::RowAccessor,
    };
    let (texts, rows): (Vec<_>, Vec<_>) = hostile().into_iter().unzip();
    let mut file = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut file, &Format::Parquet.write(&rows).unwrap()).unwrap();
    let reader = SerializedFileReader::new(file).unwrap();
    let read: Vec<_> = reader.get_row_iter(None).unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(read.len(), texts.len());
    for (text, record) in texts.iter().zip(&read) {
        assert_eq!((record.len(), &**record.get_string(2).unwrap()), (columns().count(), "ser"));
        for place in PLACES {
            assert_eq!(record.get_string(place).unwrap(), text);
        }
    }
}

#[test]
fn json_reads_back_as_what_was_put_in() {
    let (texts, rows): (Vec<_>, Vec<_>) = hostile().into_iter().unzip();
    let json = written(Format::Json, &rows);
    assert_eq!(json.lines().count(), texts.len());
    let names: Vec<_> = columns().map(|(name, _)| name).collect();
    for (text, line) in texts.iter().zip(json.lines()) {
        let read: serde_json::Value = serde_json::from_str(line).unwrap();
        for place in PLACES {
            assert_eq!(read[names[place]], **text, "{line}");
        }
    }
}
