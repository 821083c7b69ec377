-- Resweeps, backfills, counts, and what the stream `health` has said.

CREATE TABLE new_slice (
    id          INTEGER PRIMARY KEY,
    stream_id   INTEGER NOT NULL REFERENCES stream,
    pass        TEXT NOT NULL,
    after_ms    INTEGER NOT NULL DEFAULT 0,     -- of a resweep: counted from the slice's end
    request_id  INTEGER,                        -- of a backfill
    narrow      TEXT,                           -- JSON: what the search is narrowed to
    start_ms    INTEGER NOT NULL,
    end_ms      INTEGER NOT NULL CHECK (start_ms < end_ms),
    state       TEXT NOT NULL CHECK (state IN
        ('planned', 'open', 'covered', 'split', 'lost', 'refused', 'cancelled')),
    page_token  TEXT,                           -- where the fetch goes on
    page_size   INTEGER NOT NULL,
    pages       INTEGER NOT NULL DEFAULT 0,     -- pages committed since the slice began anew
    empty_pages INTEGER NOT NULL DEFAULT 0,     -- running
    received    INTEGER NOT NULL DEFAULT 0,     -- records since the slice began anew
    total       INTEGER,                        -- what the vendor's first page announced
    events      INTEGER NOT NULL DEFAULT 0,
    refetched   INTEGER NOT NULL DEFAULT 0,     -- times begun anew because of the total
    doubted     INTEGER NOT NULL DEFAULT 0,     -- times an empty answer was not believed
    attempts    INTEGER NOT NULL DEFAULT 0,     -- faults running
    not_before  INTEGER NOT NULL DEFAULT 0,     -- of a planned slice: when it is due
    error       TEXT
) STRICT;
INSERT INTO new_slice (id, stream_id, pass, start_ms, end_ms, state, page_token, page_size, pages,
        empty_pages, received, total, events, refetched, attempts, not_before, error)
    SELECT id, stream_id, pass, start_ms, end_ms, state, page_token, page_size, pages,
        empty_pages, received, total, events, refetched, attempts, not_before, error FROM slice;
DROP TABLE slice;
ALTER TABLE new_slice RENAME TO slice;
CREATE INDEX slice_open ON slice (stream_id, pass, start_ms) WHERE state = 'open';
CREATE INDEX slice_done ON slice (stream_id, state, end_ms) WHERE state NOT IN ('open', 'planned');
CREATE INDEX slice_planned ON slice (stream_id, after_ms, start_ms) WHERE state = 'planned';

CREATE TABLE new_coverage (     -- merged intervals that were fetched to their end
    stream_id   INTEGER NOT NULL REFERENCES stream,
    pass        TEXT NOT NULL,
    after_ms    INTEGER NOT NULL,               -- of a resweep, else 0
    start_ms    INTEGER NOT NULL,
    end_ms      INTEGER NOT NULL,
    PRIMARY KEY (stream_id, pass, after_ms, start_ms)
) STRICT, WITHOUT ROWID;
INSERT INTO new_coverage SELECT stream_id, pass, 0, start_ms, end_ms FROM coverage;
DROP TABLE coverage;
ALTER TABLE new_coverage RENAME TO coverage;

CREATE TABLE new_budget (       -- calls of a UTC day
    source  TEXT NOT NULL,
    day     TEXT NOT NULL,
    pass    TEXT NOT NULL,
    calls   INTEGER NOT NULL,
    PRIMARY KEY (source, day, pass)
) STRICT, WITHOUT ROWID;
INSERT INTO new_budget SELECT source, day, 'live', calls FROM budget;
DROP TABLE budget;
ALTER TABLE new_budget RENAME TO budget;

ALTER TABLE stream ADD COLUMN heard_ms INTEGER; -- when live records came last; before any, when first asked

CREATE TABLE request (          -- backfills that were asked for
    id          INTEGER PRIMARY KEY,
    stream_id   INTEGER NOT NULL REFERENCES stream,
    from_ms     INTEGER NOT NULL,
    to_ms       INTEGER NOT NULL CHECK (from_ms < to_ms),
    narrow      TEXT,                           -- JSON: what the search is narrowed to
    resend      INTEGER NOT NULL,               -- whether known records are sent again
    state       TEXT NOT NULL CHECK (state IN ('open', 'done', 'cancelled')),
    asked_ms    INTEGER NOT NULL,
    ended_ms    INTEGER,
    planned_ms  INTEGER NOT NULL,               -- slices are opened up to here
    done_ms     INTEGER NOT NULL DEFAULT 0,     -- length of what is done, milliseconds
    slices      INTEGER NOT NULL DEFAULT 0,     -- done
    records     INTEGER NOT NULL DEFAULT 0,     -- received
    events      INTEGER NOT NULL DEFAULT 0,
    calls       INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE tally (            -- messages seen for the first time, by day of delivery
    stream_id   INTEGER NOT NULL REFERENCES stream,
    day         TEXT NOT NULL,
    direction   TEXT NOT NULL,
    messages    INTEGER NOT NULL,
    PRIMARY KEY (stream_id, day, direction)
) STRICT, WITHOUT ROWID;

CREATE TABLE reconciliation (   -- a day's messages by the vendor's own count
    stream_id   INTEGER NOT NULL REFERENCES stream,
    day         TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('equal', 'refetching', 'differs')),
    counts      TEXT NOT NULL,                  -- JSON: vendor's and collected by direction
    at_ms       INTEGER NOT NULL,
    PRIMARY KEY (stream_id, day)
) STRICT, WITHOUT ROWID;

CREATE TABLE licence (          -- a source's last survey of what its licence allows and what is used
    stream_id   INTEGER PRIMARY KEY REFERENCES stream,
    at_ms       INTEGER NOT NULL,
    usage       TEXT NOT NULL                   -- JSON
) STRICT;

CREATE TABLE health (           -- what the stream `health` has said last of each matter
    key         TEXT PRIMARY KEY,
    source      TEXT NOT NULL,
    revision    INTEGER NOT NULL,
    open        INTEGER NOT NULL,               -- whether it goes on
    since_ms    INTEGER NOT NULL,
    said        TEXT NOT NULL                   -- JSON
) STRICT, WITHOUT ROWID;
