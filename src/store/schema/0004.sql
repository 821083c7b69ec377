-- Dead letters: the event compressed, counts that are read without counting, and replays.

ALTER TABLE dead_letter RENAME TO old_dead_letter;
CREATE TABLE dead_letter (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,  -- a number that a person saw never means another
    sink        TEXT NOT NULL,
    event_id    BLOB NOT NULL,
    source      TEXT NOT NULL,
    stream      TEXT NOT NULL,
    tags        TEXT NOT NULL,
    revision    INTEGER NOT NULL,
    change      TEXT NOT NULL,
    time_ms     INTEGER NOT NULL,
    verdict     TEXT,
    reason      TEXT NOT NULL,                      -- of the last refusal
    first_ms    INTEGER NOT NULL,                   -- the first refusal
    at_ms       INTEGER NOT NULL,                   -- the last one
    attempts    INTEGER NOT NULL DEFAULT 1,
    tried       INTEGER NOT NULL DEFAULT 0,         -- the last replay that sent it; 0 for none
    body        BLOB NOT NULL,                      -- the event's JSON, compressed; plain if it begins with {
    UNIQUE (sink, event_id)
) STRICT;
CREATE INDEX dead_letter_tried ON dead_letter (sink, tried);

CREATE TABLE dead_letter_total (    -- of each sink that ever refused anything; kept by the triggers
    sink    TEXT PRIMARY KEY,
    letters INTEGER NOT NULL,
    bytes   INTEGER NOT NULL,
    reason  TEXT NOT NULL,          -- of the last refusal
    at_ms   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- 512 bytes for what a letter takes beside its body.
CREATE TRIGGER dead_letter_added AFTER INSERT ON dead_letter BEGIN
    INSERT INTO dead_letter_total
        VALUES (new.sink, 1, length(new.body) + 512, new.reason, new.at_ms)
        ON CONFLICT DO UPDATE SET letters = letters + 1, bytes = bytes + excluded.bytes,
            reason = excluded.reason, at_ms = excluded.at_ms;
END;
CREATE TRIGGER dead_letter_again AFTER UPDATE OF reason, at_ms ON dead_letter BEGIN
    UPDATE dead_letter_total SET reason = new.reason, at_ms = new.at_ms WHERE sink = new.sink;
END;
CREATE TRIGGER dead_letter_gone AFTER DELETE ON dead_letter BEGIN
    UPDATE dead_letter_total SET letters = letters - 1, bytes = bytes - length(old.body) - 512
        WHERE sink = old.sink;
END;

INSERT INTO dead_letter (id, sink, event_id, source, stream, tags, revision, change, time_ms,
        verdict, reason, first_ms, at_ms, attempts, body)
    SELECT id, sink, event_id, source, stream, tags, revision, change, time_ms, verdict, reason,
        at_ms, at_ms, attempts, CAST(json AS BLOB) FROM old_dead_letter ORDER BY id;
DROP TABLE old_dead_letter;

CREATE TABLE replay (               -- what was asked for, a sink at a time
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    sink        TEXT NOT NULL,
    wanted      TEXT,                               -- letters as a JSON list; NULL for all
    last_id     INTEGER NOT NULL,                   -- letters that came later are not meant
    letters     INTEGER NOT NULL,                   -- when it was asked for
    delivered   INTEGER NOT NULL DEFAULT 0,
    refused     INTEGER NOT NULL DEFAULT 0,         -- again
    state       TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'done', 'cancelled')),
    asked_ms    INTEGER NOT NULL,
    error       TEXT                                -- why it does not go on
) STRICT;
CREATE INDEX replay_open ON replay (sink) WHERE state = 'open';
