-- The log export: which hours were asked for, and how far their files were read.

CREATE TABLE export_hour (
    stream_id INTEGER NOT NULL REFERENCES stream (id),
    hour      INTEGER NOT NULL,                 -- hours since 1970
    asked_ms  INTEGER NOT NULL,                 -- last
    gap       TEXT,                             -- why files may be missing
    PRIMARY KEY (stream_id, hour)
) STRICT, WITHOUT ROWID;

CREATE TABLE export_file (
    stream_id INTEGER NOT NULL REFERENCES stream (id),
    hour      INTEGER NOT NULL,                 -- that it came with
    path      TEXT NOT NULL,                    -- without its signature
    lines     INTEGER NOT NULL,                 -- read
    done      INTEGER NOT NULL DEFAULT 0,       -- to its end
    left_out  INTEGER NOT NULL DEFAULT 0,       -- lines that were none, or too long
    PRIMARY KEY (stream_id, hour, path)
) STRICT, WITHOUT ROWID;

-- What stands in the way of a stream's log export; there is a row while it is on.
CREATE TABLE export_state (
    stream_id INTEGER PRIMARY KEY REFERENCES stream (id),
    trouble   TEXT,
    since_ms  INTEGER                           -- of the trouble
) STRICT;

-- Messages of an hour of delivery: those that the log export told of, and those that searches found.
CREATE TABLE export_create (
    stream_id INTEGER NOT NULL REFERENCES stream (id),
    hour      INTEGER NOT NULL,
    creates   INTEGER NOT NULL DEFAULT 0,
    collected INTEGER,                          -- once they were compared
    reread    INTEGER NOT NULL DEFAULT 0,       -- because fewer were found
    PRIMARY KEY (stream_id, hour)
) STRICT, WITHOUT ROWID;

-- Where the ledger files a message, by eight bytes of the hash of its id: see docs/adr/0039. A set of
-- tables by week, so that a week that nobody needs any more is forgotten by emptying its table; weeks
-- that are 16 apart share one. The last is for messages whose delivery time is not known.
CREATE TABLE place_week (
    stream_id INTEGER NOT NULL REFERENCES stream (id),
    week      INTEGER NOT NULL,                 -- weeks since 1970
    PRIMARY KEY (stream_id, week)
) STRICT, WITHOUT ROWID;

CREATE TABLE place_00 (stream_id INTEGER NOT NULL, id BLOB NOT NULL, hour INTEGER NOT NULL,
    second INTEGER NOT NULL, PRIMARY KEY (stream_id, id, hour, second)) STRICT, WITHOUT ROWID;
CREATE TABLE place_01 (stream_id INTEGER NOT NULL, id BLOB NOT NULL, hour INTEGER NOT NULL,
    second INTEGER NOT NULL, PRIMARY KEY (stream_id, id, hour, second)) STRICT, WITHOUT ROWID;
CREATE TABLE place_02 (stream_id INTEGER NOT NULL, id BLOB NOT NULL, hour INTEGER NOT NULL,
    second INTEGER NOT NULL, PRIMARY KEY (stream_id, id, hour, second)) STRICT, WITHOUT ROWID;
CREATE TABLE place_03 (stream_id INTEGER NOT NULL, id BLOB NOT NULL, hour INTEGER NOT NULL,
    second INTEGER NOT NULL, PRIMARY KEY (stream_id, id, hour, second)) STRICT, WITHOUT ROWID;
CREATE TABLE place_04 (stream_id INTEGER NOT NULL, id BLOB NOT NULL, hour INTEGER NOT NULL,
    second INTEGER NOT NULL, PRIMARY KEY (stream_id, id, hour, second)) STRICT, WITHOUT ROWID;
CREATE TABLE place_05 (stream_id INTEGER NOT NULL, id BLOB NOT NULL, hour INTEGER NOT NULL,
    second INTEGER NOT NULL, PRIMARY KEY (stream_id, id, hour, second)) STRICT, WITHOUT ROWID;
CREATE TABLE place_06 (stream_id INTEGER NOT NULL, id BLOB NOT NULL, hour INTEGER NOT NULL,
    second INTEGER NOT NULL, PRIMARY KEY (stream_id, id, hour, second)) STRICT, WITHOUT ROWID;
CREATE TABLE place_07 (stream_id INTEGER NOT NULL, id BLOB NOT NULL, hour INTEGER NOT NULL,
    second INTEGER NOT NULL, PRIMARY KEY (stream_id, id, hour, second)) STRICT, WITHOUT ROWID;
CREATE TABLE place_08 (stream_id INTEGER NOT NULL, id BLOB NOT NULL, hour INTEGER NOT NULL,
    second INTEGER NOT NULL, PRIMARY KEY (stream_id, id, hour, second)) STRICT, WITHOUT ROWID;
CREATE TABLE place_09 (stream_id INTEGER NOT NULL, id BLOB NOT NULL, hour INTEGER NOT NULL,
    second INTEGER NOT NULL, PRIMARY KEY (stream_id, id, hour, second)) STRICT, WITHOUT ROWID;
CREATE TABLE place_10 (stream_id INTEGER NOT NULL, id BLOB NOT NULL, hour INTEGER NOT NULL,
    second INTEGER NOT NULL, PRIMARY KEY (stream_id, id, hour, second)) STRICT, WITHOUT ROWID;
CREATE TABLE place_11 (stream_id INTEGER NOT NULL, id BLOB NOT NULL, hour INTEGER NOT NULL,
    second INTEGER NOT NULL, PRIMARY KEY (stream_id, id, hour, second)) STRICT, WITHOUT ROWID;
CREATE TABLE place_12 (stream_id INTEGER NOT NULL, id BLOB NOT NULL, hour INTEGER NOT NULL,
    second INTEGER NOT NULL, PRIMARY KEY (stream_id, id, hour, second)) STRICT, WITHOUT ROWID;
CREATE TABLE place_13 (stream_id INTEGER NOT NULL, id BLOB NOT NULL, hour INTEGER NOT NULL,
    second INTEGER NOT NULL, PRIMARY KEY (stream_id, id, hour, second)) STRICT, WITHOUT ROWID;
CREATE TABLE place_14 (stream_id INTEGER NOT NULL, id BLOB NOT NULL, hour INTEGER NOT NULL,
    second INTEGER NOT NULL, PRIMARY KEY (stream_id, id, hour, second)) STRICT, WITHOUT ROWID;
CREATE TABLE place_15 (stream_id INTEGER NOT NULL, id BLOB NOT NULL, hour INTEGER NOT NULL,
    second INTEGER NOT NULL, PRIMARY KEY (stream_id, id, hour, second)) STRICT, WITHOUT ROWID;
CREATE TABLE place_16 (stream_id INTEGER NOT NULL, id BLOB NOT NULL, hour INTEGER NOT NULL,
    second INTEGER NOT NULL, PRIMARY KEY (stream_id, id, hour, second)) STRICT, WITHOUT ROWID;
