CREATE TABLE leasehold_meta (
    only        INTEGER PRIMARY KEY CHECK (only = 1),
    version     INTEGER NOT NULL, -- of the schema: the last migration applied
    protocol    INTEGER NOT NULL, -- programs that speak another one are refused
    max_ttl     INTEGER NOT NULL, -- cap of every lease's TTL, milliseconds
    epoch       INTEGER NOT NULL, -- incarnation of the database
    epoch_since INTEGER NOT NULL  -- when it was first seen, Unix microseconds; 0: from the start
) STRICT;

CREATE TABLE leasehold_lease (
    id         BLOB PRIMARY KEY NOT NULL CHECK (length(id) = 16),
    notice     INTEGER NOT NULL, -- raised by every revocation
    ttl        INTEGER NOT NULL, -- milliseconds
    owner      TEXT NOT NULL,
    host       TEXT NOT NULL,
    pid        INTEGER NOT NULL,
    app        TEXT NOT NULL,
    created_at INTEGER NOT NULL, -- Unix microseconds
    fixed      INTEGER NOT NULL DEFAULT 0 CHECK (fixed IN (0, 1)) -- ends with its TTL
) STRICT, WITHOUT ROWID;

CREATE TABLE leasehold_lock (
    name          BLOB PRIMARY KEY NOT NULL CHECK (length(name) BETWEEN 1 AND 1024),
    fence         INTEGER NOT NULL CHECK (fence >= 0),
    holder_lease  BLOB CHECK (length(holder_lease) = 16),
    holder_ticket BLOB CHECK (length(holder_ticket) = 16),
    since         INTEGER,                  -- of the last grant, Unix microseconds
    mark_by       TEXT,                     -- who revoked the grant in force
    mark_reason   TEXT,
    mark_at       INTEGER,                  -- Unix microseconds
    queue         BLOB NOT NULL DEFAULT x'' -- 32 bytes a waiter: lease, ticket
        CHECK (length(queue) % 32 = 0),
    crowd         TEXT,                     -- JSON: limit, members, terms of the waiters
    kept_until    INTEGER,                  -- end of the minimum hold, Unix microseconds
    data          BLOB,
    keep_data     INTEGER NOT NULL DEFAULT 0 CHECK (keep_data IN (0, 1)),
    CHECK ((holder_lease IS NULL) = (holder_ticket IS NULL)),
    CHECK (holder_lease IS NOT NULL OR mark_at IS NULL),
    CHECK (holder_lease IS NOT NULL OR crowd IS NOT NULL OR kept_until IS NOT NULL OR length(queue) = 0)
) STRICT, WITHOUT ROWID;

CREATE INDEX leasehold_lock_crowd ON leasehold_lock (name) WHERE crowd IS NOT NULL;

CREATE INDEX leasehold_lock_marked ON leasehold_lock (holder_lease) WHERE mark_at IS NOT NULL;

