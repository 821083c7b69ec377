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
