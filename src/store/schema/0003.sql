-- The ledger by day, so that a day is forgotten by emptying a table instead of visiting its rows
-- (docs/adr/0023). Day n is in partition n mod 16; hour 0, where stands what never ages, is in 16.
--   stream_id, hour     the hour is of the record's unchanging time
--   id                  2 bytes: the second of the hour, or ffff; 14 bytes of the record id's hash
--   content             16 bytes
--   block, slot         where its members are: in the block of the same partition
--   last_hour           of the block's rows

CREATE TABLE ledger_00 (stream_id INTEGER NOT NULL, hour INTEGER NOT NULL, id BLOB NOT NULL,
    content BLOB NOT NULL, revision INTEGER NOT NULL, block INTEGER NOT NULL, slot INTEGER NOT NULL,
    PRIMARY KEY (stream_id, hour, id)) STRICT, WITHOUT ROWID;
CREATE TABLE ledger_block_00 (id INTEGER PRIMARY KEY, stream_id INTEGER NOT NULL,
    last_hour INTEGER NOT NULL, block BLOB NOT NULL) STRICT;
CREATE INDEX ledger_block_hour_00 ON ledger_block_00 (stream_id, last_hour);

CREATE TABLE ledger_01 (stream_id INTEGER NOT NULL, hour INTEGER NOT NULL, id BLOB NOT NULL,
    content BLOB NOT NULL, revision INTEGER NOT NULL, block INTEGER NOT NULL, slot INTEGER NOT NULL,
    PRIMARY KEY (stream_id, hour, id)) STRICT, WITHOUT ROWID;
CREATE TABLE ledger_block_01 (id INTEGER PRIMARY KEY, stream_id INTEGER NOT NULL,
    last_hour INTEGER NOT NULL, block BLOB NOT NULL) STRICT;
CREATE INDEX ledger_block_hour_01 ON ledger_block_01 (stream_id, last_hour);

CREATE TABLE ledger_02 (stream_id INTEGER NOT NULL, hour INTEGER NOT NULL, id BLOB NOT NULL,
    content BLOB NOT NULL, revision INTEGER NOT NULL, block INTEGER NOT NULL, slot INTEGER NOT NULL,
    PRIMARY KEY (stream_id, hour, id)) STRICT, WITHOUT ROWID;
CREATE TABLE ledger_block_02 (id INTEGER PRIMARY KEY, stream_id INTEGER NOT NULL,
    last_hour INTEGER NOT NULL, block BLOB NOT NULL) STRICT;
CREATE INDEX ledger_block_hour_02 ON ledger_block_02 (stream_id, last_hour);

CREATE TABLE ledger_03 (stream_id INTEGER NOT NULL, hour INTEGER NOT NULL, id BLOB NOT NULL,
    content BLOB NOT NULL, revision INTEGER NOT NULL, block INTEGER NOT NULL, slot INTEGER NOT NULL,
    PRIMARY KEY (stream_id, hour, id)) STRICT, WITHOUT ROWID;
CREATE TABLE ledger_block_03 (id INTEGER PRIMARY KEY, stream_id INTEGER NOT NULL,
    last_hour INTEGER NOT NULL, block BLOB NOT NULL) STRICT;
CREATE INDEX ledger_block_hour_03 ON ledger_block_03 (stream_id, last_hour);

CREATE TABLE ledger_04 (stream_id INTEGER NOT NULL, hour INTEGER NOT NULL, id BLOB NOT NULL,
    content BLOB NOT NULL, revision INTEGER NOT NULL, block INTEGER NOT NULL, slot INTEGER NOT NULL,
    PRIMARY KEY (stream_id, hour, id)) STRICT, WITHOUT ROWID;
CREATE TABLE ledger_block_04 (id INTEGER PRIMARY KEY, stream_id INTEGER NOT NULL,
    last_hour INTEGER NOT NULL, block BLOB NOT NULL) STRICT;
CREATE INDEX ledger_block_hour_04 ON ledger_block_04 (stream_id, last_hour);

CREATE TABLE ledger_05 (stream_id INTEGER NOT NULL, hour INTEGER NOT NULL, id BLOB NOT NULL,
    content BLOB NOT NULL, revision INTEGER NOT NULL, block INTEGER NOT NULL, slot INTEGER NOT NULL,
    PRIMARY KEY (stream_id, hour, id)) STRICT, WITHOUT ROWID;
CREATE TABLE ledger_block_05 (id INTEGER PRIMARY KEY, stream_id INTEGER NOT NULL,
    last_hour INTEGER NOT NULL, block BLOB NOT NULL) STRICT;
CREATE INDEX ledger_block_hour_05 ON ledger_block_05 (stream_id, last_hour);

CREATE TABLE ledger_06 (stream_id INTEGER NOT NULL, hour INTEGER NOT NULL, id BLOB NOT NULL,
    content BLOB NOT NULL, revision INTEGER NOT NULL, block INTEGER NOT NULL, slot INTEGER NOT NULL,
    PRIMARY KEY (stream_id, hour, id)) STRICT, WITHOUT ROWID;
CREATE TABLE ledger_block_06 (id INTEGER PRIMARY KEY, stream_id INTEGER NOT NULL,
    last_hour INTEGER NOT NULL, block BLOB NOT NULL) STRICT;
CREATE INDEX ledger_block_hour_06 ON ledger_block_06 (stream_id, last_hour);

CREATE TABLE ledger_07 (stream_id INTEGER NOT NULL, hour INTEGER NOT NULL, id BLOB NOT NULL,
    content BLOB NOT NULL, revision INTEGER NOT NULL, block INTEGER NOT NULL, slot INTEGER NOT NULL,
    PRIMARY KEY (stream_id, hour, id)) STRICT, WITHOUT ROWID;
CREATE TABLE ledger_block_07 (id INTEGER PRIMARY KEY, stream_id INTEGER NOT NULL,
    last_hour INTEGER NOT NULL, block BLOB NOT NULL) STRICT;
CREATE INDEX ledger_block_hour_07 ON ledger_block_07 (stream_id, last_hour);

CREATE TABLE ledger_08 (stream_id INTEGER NOT NULL, hour INTEGER NOT NULL, id BLOB NOT NULL,
    content BLOB NOT NULL, revision INTEGER NOT NULL, block INTEGER NOT NULL, slot INTEGER NOT NULL,
    PRIMARY KEY (stream_id, hour, id)) STRICT, WITHOUT ROWID;
CREATE TABLE ledger_block_08 (id INTEGER PRIMARY KEY, stream_id INTEGER NOT NULL,
    last_hour INTEGER NOT NULL, block BLOB NOT NULL) STRICT;
CREATE INDEX ledger_block_hour_08 ON ledger_block_08 (stream_id, last_hour);

CREATE TABLE ledger_09 (stream_id INTEGER NOT NULL, hour INTEGER NOT NULL, id BLOB NOT NULL,
    content BLOB NOT NULL, revision INTEGER NOT NULL, block INTEGER NOT NULL, slot INTEGER NOT NULL,
    PRIMARY KEY (stream_id, hour, id)) STRICT, WITHOUT ROWID;
CREATE TABLE ledger_block_09 (id INTEGER PRIMARY KEY, stream_id INTEGER NOT NULL,
    last_hour INTEGER NOT NULL, block BLOB NOT NULL) STRICT;
CREATE INDEX ledger_block_hour_09 ON ledger_block_09 (stream_id, last_hour);

CREATE TABLE ledger_10 (stream_id INTEGER NOT NULL, hour INTEGER NOT NULL, id BLOB NOT NULL,
    content BLOB NOT NULL, revision INTEGER NOT NULL, block INTEGER NOT NULL, slot INTEGER NOT NULL,
    PRIMARY KEY (stream_id, hour, id)) STRICT, WITHOUT ROWID;
CREATE TABLE ledger_block_10 (id INTEGER PRIMARY KEY, stream_id INTEGER NOT NULL,
    last_hour INTEGER NOT NULL, block BLOB NOT NULL) STRICT;
CREATE INDEX ledger_block_hour_10 ON ledger_block_10 (stream_id, last_hour);

CREATE TABLE ledger_11 (stream_id INTEGER NOT NULL, hour INTEGER NOT NULL, id BLOB NOT NULL,
    content BLOB NOT NULL, revision INTEGER NOT NULL, block INTEGER NOT NULL, slot INTEGER NOT NULL,
    PRIMARY KEY (stream_id, hour, id)) STRICT, WITHOUT ROWID;
CREATE TABLE ledger_block_11 (id INTEGER PRIMARY KEY, stream_id INTEGER NOT NULL,
    last_hour INTEGER NOT NULL, block BLOB NOT NULL) STRICT;
CREATE INDEX ledger_block_hour_11 ON ledger_block_11 (stream_id, last_hour);

CREATE TABLE ledger_12 (stream_id INTEGER NOT NULL, hour INTEGER NOT NULL, id BLOB NOT NULL,
    content BLOB NOT NULL, revision INTEGER NOT NULL, block INTEGER NOT NULL, slot INTEGER NOT NULL,
    PRIMARY KEY (stream_id, hour, id)) STRICT, WITHOUT ROWID;
CREATE TABLE ledger_block_12 (id INTEGER PRIMARY KEY, stream_id INTEGER NOT NULL,
    last_hour INTEGER NOT NULL, block BLOB NOT NULL) STRICT;
CREATE INDEX ledger_block_hour_12 ON ledger_block_12 (stream_id, last_hour);

CREATE TABLE ledger_13 (stream_id INTEGER NOT NULL, hour INTEGER NOT NULL, id BLOB NOT NULL,
    content BLOB NOT NULL, revision INTEGER NOT NULL, block INTEGER NOT NULL, slot INTEGER NOT NULL,
    PRIMARY KEY (stream_id, hour, id)) STRICT, WITHOUT ROWID;
CREATE TABLE ledger_block_13 (id INTEGER PRIMARY KEY, stream_id INTEGER NOT NULL,
    last_hour INTEGER NOT NULL, block BLOB NOT NULL) STRICT;
CREATE INDEX ledger_block_hour_13 ON ledger_block_13 (stream_id, last_hour);

CREATE TABLE ledger_14 (stream_id INTEGER NOT NULL, hour INTEGER NOT NULL, id BLOB NOT NULL,
    content BLOB NOT NULL, revision INTEGER NOT NULL, block INTEGER NOT NULL, slot INTEGER NOT NULL,
    PRIMARY KEY (stream_id, hour, id)) STRICT, WITHOUT ROWID;
CREATE TABLE ledger_block_14 (id INTEGER PRIMARY KEY, stream_id INTEGER NOT NULL,
    last_hour INTEGER NOT NULL, block BLOB NOT NULL) STRICT;
CREATE INDEX ledger_block_hour_14 ON ledger_block_14 (stream_id, last_hour);

CREATE TABLE ledger_15 (stream_id INTEGER NOT NULL, hour INTEGER NOT NULL, id BLOB NOT NULL,
    content BLOB NOT NULL, revision INTEGER NOT NULL, block INTEGER NOT NULL, slot INTEGER NOT NULL,
    PRIMARY KEY (stream_id, hour, id)) STRICT, WITHOUT ROWID;
CREATE TABLE ledger_block_15 (id INTEGER PRIMARY KEY, stream_id INTEGER NOT NULL,
    last_hour INTEGER NOT NULL, block BLOB NOT NULL) STRICT;
CREATE INDEX ledger_block_hour_15 ON ledger_block_15 (stream_id, last_hour);

CREATE TABLE ledger_16 (stream_id INTEGER NOT NULL, hour INTEGER NOT NULL, id BLOB NOT NULL,
    content BLOB NOT NULL, revision INTEGER NOT NULL, block INTEGER NOT NULL, slot INTEGER NOT NULL,
    PRIMARY KEY (stream_id, hour, id)) STRICT, WITHOUT ROWID;
CREATE TABLE ledger_block_16 (id INTEGER PRIMARY KEY, stream_id INTEGER NOT NULL,
    last_hour INTEGER NOT NULL, block BLOB NOT NULL) STRICT;
CREATE INDEX ledger_block_hour_16 ON ledger_block_16 (stream_id, last_hour);

-- What was filed so far had no second. Division is towards zero here, so hours before 1970 need care.
CREATE VIEW filed AS SELECT
    CASE hour WHEN 0 THEN 16 ELSE ((hour - iif(hour < 0, 23, 0)) / 24 % 16 + 16) % 16 END AS partition,
    stream_id, hour, CAST(x'ffff' || substr(id, 1, 14) AS BLOB) AS id, content, revision, block, slot
    FROM ledger;

INSERT INTO ledger_00 SELECT stream_id, hour, id, content, revision, block, slot
    FROM filed WHERE partition = 0;
INSERT INTO ledger_01 SELECT stream_id, hour, id, content, revision, block, slot
    FROM filed WHERE partition = 1;
INSERT INTO ledger_02 SELECT stream_id, hour, id, content, revision, block, slot
    FROM filed WHERE partition = 2;
INSERT INTO ledger_03 SELECT stream_id, hour, id, content, revision, block, slot
    FROM filed WHERE partition = 3;
INSERT INTO ledger_04 SELECT stream_id, hour, id, content, revision, block, slot
    FROM filed WHERE partition = 4;
INSERT INTO ledger_05 SELECT stream_id, hour, id, content, revision, block, slot
    FROM filed WHERE partition = 5;
INSERT INTO ledger_06 SELECT stream_id, hour, id, content, revision, block, slot
    FROM filed WHERE partition = 6;
INSERT INTO ledger_07 SELECT stream_id, hour, id, content, revision, block, slot
    FROM filed WHERE partition = 7;
INSERT INTO ledger_08 SELECT stream_id, hour, id, content, revision, block, slot
    FROM filed WHERE partition = 8;
INSERT INTO ledger_09 SELECT stream_id, hour, id, content, revision, block, slot
    FROM filed WHERE partition = 9;
INSERT INTO ledger_10 SELECT stream_id, hour, id, content, revision, block, slot
    FROM filed WHERE partition = 10;
INSERT INTO ledger_11 SELECT stream_id, hour, id, content, revision, block, slot
    FROM filed WHERE partition = 11;
INSERT INTO ledger_12 SELECT stream_id, hour, id, content, revision, block, slot
    FROM filed WHERE partition = 12;
INSERT INTO ledger_13 SELECT stream_id, hour, id, content, revision, block, slot
    FROM filed WHERE partition = 13;
INSERT INTO ledger_14 SELECT stream_id, hour, id, content, revision, block, slot
    FROM filed WHERE partition = 14;
INSERT INTO ledger_15 SELECT stream_id, hour, id, content, revision, block, slot
    FROM filed WHERE partition = 15;
INSERT INTO ledger_16 SELECT stream_id, hour, id, content, revision, block, slot
    FROM filed WHERE partition = 16;

-- A page's rows may be of two days: each gets the block.
INSERT INTO ledger_block_00 SELECT old.id, old.stream_id, used.hour, old.block
    FROM (SELECT block, max(hour) AS hour FROM ledger_00 GROUP BY block) AS used
    JOIN ledger_block AS old ON old.id = used.block;
INSERT INTO ledger_block_01 SELECT old.id, old.stream_id, used.hour, old.block
    FROM (SELECT block, max(hour) AS hour FROM ledger_01 GROUP BY block) AS used
    JOIN ledger_block AS old ON old.id = used.block;
INSERT INTO ledger_block_02 SELECT old.id, old.stream_id, used.hour, old.block
    FROM (SELECT block, max(hour) AS hour FROM ledger_02 GROUP BY block) AS used
    JOIN ledger_block AS old ON old.id = used.block;
INSERT INTO ledger_block_03 SELECT old.id, old.stream_id, used.hour, old.block
    FROM (SELECT block, max(hour) AS hour FROM ledger_03 GROUP BY block) AS used
    JOIN ledger_block AS old ON old.id = used.block;
INSERT INTO ledger_block_04 SELECT old.id, old.stream_id, used.hour, old.block
    FROM (SELECT block, max(hour) AS hour FROM ledger_04 GROUP BY block) AS used
    JOIN ledger_block AS old ON old.id = used.block;
INSERT INTO ledger_block_05 SELECT old.id, old.stream_id, used.hour, old.block
    FROM (SELECT block, max(hour) AS hour FROM ledger_05 GROUP BY block) AS used
    JOIN ledger_block AS old ON old.id = used.block;
INSERT INTO ledger_block_06 SELECT old.id, old.stream_id, used.hour, old.block
    FROM (SELECT block, max(hour) AS hour FROM ledger_06 GROUP BY block) AS used
    JOIN ledger_block AS old ON old.id = used.block;
INSERT INTO ledger_block_07 SELECT old.id, old.stream_id, used.hour, old.block
    FROM (SELECT block, max(hour) AS hour FROM ledger_07 GROUP BY block) AS used
    JOIN ledger_block AS old ON old.id = used.block;
INSERT INTO ledger_block_08 SELECT old.id, old.stream_id, used.hour, old.block
    FROM (SELECT block, max(hour) AS hour FROM ledger_08 GROUP BY block) AS used
    JOIN ledger_block AS old ON old.id = used.block;
INSERT INTO ledger_block_09 SELECT old.id, old.stream_id, used.hour, old.block
    FROM (SELECT block, max(hour) AS hour FROM ledger_09 GROUP BY block) AS used
    JOIN ledger_block AS old ON old.id = used.block;
INSERT INTO ledger_block_10 SELECT old.id, old.stream_id, used.hour, old.block
    FROM (SELECT block, max(hour) AS hour FROM ledger_10 GROUP BY block) AS used
    JOIN ledger_block AS old ON old.id = used.block;
INSERT INTO ledger_block_11 SELECT old.id, old.stream_id, used.hour, old.block
    FROM (SELECT block, max(hour) AS hour FROM ledger_11 GROUP BY block) AS used
    JOIN ledger_block AS old ON old.id = used.block;
INSERT INTO ledger_block_12 SELECT old.id, old.stream_id, used.hour, old.block
    FROM (SELECT block, max(hour) AS hour FROM ledger_12 GROUP BY block) AS used
    JOIN ledger_block AS old ON old.id = used.block;
INSERT INTO ledger_block_13 SELECT old.id, old.stream_id, used.hour, old.block
    FROM (SELECT block, max(hour) AS hour FROM ledger_13 GROUP BY block) AS used
    JOIN ledger_block AS old ON old.id = used.block;
INSERT INTO ledger_block_14 SELECT old.id, old.stream_id, used.hour, old.block
    FROM (SELECT block, max(hour) AS hour FROM ledger_14 GROUP BY block) AS used
    JOIN ledger_block AS old ON old.id = used.block;
INSERT INTO ledger_block_15 SELECT old.id, old.stream_id, used.hour, old.block
    FROM (SELECT block, max(hour) AS hour FROM ledger_15 GROUP BY block) AS used
    JOIN ledger_block AS old ON old.id = used.block;
INSERT INTO ledger_block_16 SELECT old.id, old.stream_id, used.hour, old.block
    FROM (SELECT block, max(hour) AS hour FROM ledger_16 GROUP BY block) AS used
    JOIN ledger_block AS old ON old.id = used.block;

-- Up to this hour a message may have been filed without its second.
INSERT INTO gauge SELECT 'ledger_plain_to', max(hour) FROM ledger WHERE hour <> 0 HAVING count(*) > 0;
DROP VIEW filed;
DROP TABLE ledger;
DROP TABLE ledger_block;
