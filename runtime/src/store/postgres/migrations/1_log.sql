-- The log.
CREATE TABLE fanfare_events (
    number BIGSERIAL PRIMARY KEY, -- in the order of inserts, which is not that of commits
    position BIGINT UNIQUE, -- given at once, or when it is seen to be committed
    name TEXT NOT NULL,
    key TEXT,
    id TEXT NOT NULL,
    source TEXT NOT NULL,
    appended TIMESTAMPTZ NOT NULL DEFAULT now(),
    event TEXT NOT NULL -- CloudEvents, structured mode
);
CREATE INDEX fanfare_events_waiting ON fanfare_events (number) WHERE position IS NULL;
-- By hash, since an index entry has a greatest length and a text has none.
CREATE INDEX fanfare_events_name ON fanfare_events (hashtextextended(name, 0), position)
    WHERE position IS NOT NULL;
CREATE INDEX fanfare_events_key ON fanfare_events (hashtextextended(key, 0), position)
    WHERE position IS NOT NULL AND key IS NOT NULL;

-- One row. Whoever gives positions locks it.
CREATE TABLE fanfare_log (
    last BIGINT NOT NULL -- the last position that was given
);
INSERT INTO fanfare_log VALUES (0);

-- The position that each has passed.
CREATE TABLE fanfare_cursors (
    name TEXT COLLATE "C" PRIMARY KEY,
    position BIGINT NOT NULL
);

-- The inbox: which handler has handled which event.
CREATE TABLE fanfare_marks (
    digest BYTEA PRIMARY KEY, -- of the three that follow
    handler TEXT NOT NULL,
    source TEXT NOT NULL,
    id TEXT NOT NULL,
    made TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX fanfare_marks_made ON fanfare_marks (made);

CREATE TABLE fanfare_dead_letters (
    number BIGSERIAL PRIMARY KEY,
    letter TEXT NOT NULL, -- JSON
    payload BYTEA -- of a message that is no event
);
