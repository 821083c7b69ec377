-- What came on the pages of an answer that is not read to its end yet: what is known and did not
-- come is gone.

CREATE TABLE seen (
    slice_id    INTEGER NOT NULL,
    stream_id   INTEGER NOT NULL,
    id          BLOB NOT NULL,      -- as the ledger files it
    PRIMARY KEY (slice_id, stream_id, id)
) STRICT, WITHOUT ROWID;

-- Records that could not be read since the slice began anew: any may be one that seems to be gone.
ALTER TABLE slice ADD COLUMN unread INTEGER NOT NULL DEFAULT 0;

CREATE TRIGGER seen_done AFTER UPDATE OF state ON slice WHEN new.state <> 'open' BEGIN
    DELETE FROM seen WHERE slice_id = new.id;
END;
CREATE TRIGGER seen_gone AFTER DELETE ON slice WHEN old.state = 'open' BEGIN
    DELETE FROM seen WHERE slice_id = old.id;
END;
