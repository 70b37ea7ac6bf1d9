-- The log. Times are microseconds since 1970.
CREATE TABLE fanfare_events (
    position INTEGER PRIMARY KEY AUTOINCREMENT, -- in the order of commits: there is one writer at a time
    name TEXT NOT NULL,
    key TEXT,
    id TEXT NOT NULL,
    source TEXT NOT NULL,
    appended INTEGER NOT NULL,
    event TEXT NOT NULL -- CloudEvents, structured mode
) STRICT;
CREATE INDEX fanfare_events_name ON fanfare_events (name);
CREATE INDEX fanfare_events_key ON fanfare_events (key) WHERE key IS NOT NULL;

-- The position that each has passed.
CREATE TABLE fanfare_cursors (
    name TEXT PRIMARY KEY,
    position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The inbox: which handler has handled which event.
CREATE TABLE fanfare_marks (
    handler TEXT NOT NULL,
    source TEXT NOT NULL,
    id TEXT NOT NULL,
    made INTEGER NOT NULL,
    PRIMARY KEY (handler, source, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX fanfare_marks_made ON fanfare_marks (made);

CREATE TABLE fanfare_dead_letters (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    letter TEXT NOT NULL, -- JSON
    payload BLOB -- of a message that is no event
) STRICT;
