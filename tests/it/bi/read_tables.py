"""Reads tables of SER rows with csv and pyarrow, and compares them with what the vendor says."""
import csv, datetime, json, pathlib, sys

COUNTS = {
    "success": "success", "failure": "failure", "tempFailure": "temp_failure",
    "partialSuccess": "partial_success", "inProgress": "in_progress", "total": "total",
    "recipientsTotal": "recipients_total", "messageSizeTotal": "message_size_total",
    "deliveredSizeTotal": "delivered_size_total",
}
NAMES = {
    "applicationName": "application", "applicationUserName": "application_user",
    "fromEnvelope": "envelope_from", "fromHeader": "header_from",
}
TIMES = ["window_start", "window_end"]


def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def of_csv(path):
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file, strict=True):
            for name in TIMES:
                row[name] = moment(row[name])
            for name in COUNTS.values():
                row[name] = int(row[name]) if row[name] else None
            for name in NAMES.values():
                row[name] = row[name].removeprefix("'")
            yield row


def of_parquet(path):
    import pyarrow, pyarrow.parquet
    table = pyarrow.parquet.read_table(path)
    for name in TIMES + ["collected_at"]:
        assert table.schema.field(name).type == pyarrow.timestamp("ms", tz="UTC"), table.schema
    for name in COUNTS.values():
        assert table.schema.field(name).type == pyarrow.int64(), table.schema
    for name in NAMES.values():
        assert table.schema.field(name).type == pyarrow.string(), table.schema
    yield from table.to_pylist()


tables, truth = map(pathlib.Path, sys.argv[1:])
files = sorted(path for path in tables.iterdir() if path.is_file()) if tables.is_dir() else [tables]
rows = []
for path in files:
    rows += (of_csv if path.suffix == ".csv" else of_parquet)(path)


def key(row):
    return tuple(row[name] for name in TIMES + list(NAMES.values()) + list(COUNTS.values()))


said = json.loads(truth.read_text())
expected = []
for row in said:
    ours = {name: moment(row[name]) for name in TIMES}
    ours |= {column: row[name] for name, column in {**NAMES, **COUNTS}.items()}
    expected.append(key(ours))
first = min(row[0] for row in expected)
found = sorted(key(row) for row in rows if row["window_start"] >= first)
assert found == sorted(expected), (len(found), len(expected), set(found) ^ set(expected))
assert all(row["source"] == "ser" and int(row["revision"]) == 1 for row in rows)
assert all(row["collected_at"] and row["event_id"] and row["record_id"] for row in rows)
print(f"{tables.name}: {len(found)} rows as the vendor says, in {len(files)} files")
