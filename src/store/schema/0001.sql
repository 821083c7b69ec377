-- Times are milliseconds since 1970 UTC. No table couples two sources.

CREATE TABLE stream (           -- a small number for each stream of each source
    id      INTEGER PRIMARY KEY,
    source  TEXT NOT NULL,
    stream  TEXT NOT NULL,
    UNIQUE (source, stream)
) STRICT;

CREATE TABLE frontier (         -- the live range that has been planned: [from_ms, to_ms)
    stream_id   INTEGER PRIMARY KEY REFERENCES stream,
    from_ms     INTEGER NOT NULL,
    to_ms       INTEGER NOT NULL
) STRICT;

CREATE TABLE slice (
    id          INTEGER PRIMARY KEY,
    stream_id   INTEGER NOT NULL REFERENCES stream,
    pass        TEXT NOT NULL,
    start_ms    INTEGER NOT NULL,
    end_ms      INTEGER NOT NULL CHECK (start_ms < end_ms),
    state       TEXT NOT NULL CHECK (state IN ('open', 'covered', 'split', 'lost', 'refused')),
    page_token  TEXT,                           -- where the fetch goes on
    page_size   INTEGER NOT NULL,
    pages       INTEGER NOT NULL DEFAULT 0,     -- pages committed since the slice began anew
    empty_pages INTEGER NOT NULL DEFAULT 0,     -- running
    received    INTEGER NOT NULL DEFAULT 0,     -- records since the slice began anew
    total       INTEGER,                        -- what the vendor's first page announced
    events      INTEGER NOT NULL DEFAULT 0,
    refetched   INTEGER NOT NULL DEFAULT 0,     -- times begun anew because of the total
    attempts    INTEGER NOT NULL DEFAULT 0,     -- faults running
    not_before  INTEGER NOT NULL DEFAULT 0,
    error       TEXT
) STRICT;
CREATE INDEX slice_open ON slice (stream_id, pass, start_ms) WHERE state = 'open';
CREATE INDEX slice_done ON slice (stream_id, state, end_ms) WHERE state <> 'open';

CREATE TABLE coverage (         -- merged intervals that were fetched to their end
    stream_id   INTEGER NOT NULL REFERENCES stream,
    pass        TEXT NOT NULL,
    start_ms    INTEGER NOT NULL,
    end_ms      INTEGER NOT NULL,
    PRIMARY KEY (stream_id, pass, start_ms)
) STRICT, WITHOUT ROWID;

CREATE TABLE ledger (           -- the last version of each record that may come again
    stream_id   INTEGER NOT NULL,
    hour        INTEGER NOT NULL,   -- of the record's unchanging time: keeps inserts local
    id          BLOB NOT NULL,      -- 16 bytes of the record id's hash
    content     BLOB NOT NULL,      -- 16 bytes
    revision    INTEGER NOT NULL,
    block       INTEGER NOT NULL,
    slot        INTEGER NOT NULL,
    PRIMARY KEY (stream_id, hour, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE ledger_block (     -- a page's members, compressed together
    id          INTEGER PRIMARY KEY,
    stream_id   INTEGER NOT NULL,
    last_hour   INTEGER NOT NULL,
    block       BLOB NOT NULL
) STRICT;
CREATE INDEX ledger_block_hour ON ledger_block (stream_id, last_hour);

CREATE TABLE chunk (            -- the spool: a page's events as one compressed block
    first_seq   INTEGER PRIMARY KEY,
    count       INTEGER NOT NULL,
    stream_id   INTEGER NOT NULL REFERENCES stream,
    tags        TEXT NOT NULL,
    block       BLOB NOT NULL
) STRICT;

CREATE TABLE gauge (
    name    TEXT PRIMARY KEY,
    value   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO gauge VALUES ('next_seq', 1), ('spool_bytes', 0);

CREATE TABLE sink (
    name        TEXT PRIMARY KEY,
    cursor      INTEGER NOT NULL,               -- every event before it is acknowledged
    delivered   INTEGER NOT NULL DEFAULT 0      -- events that the sink accepted
) STRICT, WITHOUT ROWID;

CREATE TABLE acknowledged (     -- ranges beyond a sink's cursor: [from_seq, to_seq)
    sink        TEXT NOT NULL,
    from_seq    INTEGER NOT NULL,
    to_seq      INTEGER NOT NULL,
    PRIMARY KEY (sink, from_seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE dead_letter (
    id          INTEGER PRIMARY KEY,
    sink        TEXT NOT NULL,
    event_id    BLOB NOT NULL,
    source      TEXT NOT NULL,
    stream      TEXT NOT NULL,
    tags        TEXT NOT NULL,
    revision    INTEGER NOT NULL,
    change      TEXT NOT NULL,
    time_ms     INTEGER NOT NULL,
    verdict     TEXT,
    json        TEXT NOT NULL,
    reason      TEXT NOT NULL,
    at_ms       INTEGER NOT NULL,
    attempts    INTEGER NOT NULL DEFAULT 1,
    UNIQUE (sink, event_id)
) STRICT;

CREATE TABLE budget (           -- calls of a UTC day
    source  TEXT NOT NULL,
    day     TEXT NOT NULL,
    calls   INTEGER NOT NULL,
    PRIMARY KEY (source, day)
) STRICT, WITHOUT ROWID;

CREATE TABLE condition (        -- how a source or sink is doing, for people and across restarts
    kind        TEXT NOT NULL CHECK (kind IN ('source', 'sink')),
    name        TEXT NOT NULL,
    state       TEXT NOT NULL,
    since_ms    INTEGER NOT NULL,
    until_ms    INTEGER,                        -- paused until then
    error       TEXT,
    ok_ms       INTEGER,                        -- the last success
    PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;
