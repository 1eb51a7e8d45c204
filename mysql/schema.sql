-- The schema as a whole, as the migrations make it: for reading, and for tools that
-- compare. A test keeps the two alike.

-- One row for each client that holds or awaits something.
CREATE TABLE leasehold_lease (
    id         BINARY(16) NOT NULL PRIMARY KEY,
    beat       BIGINT     NOT NULL,
    notice     BIGINT     NOT NULL,
    ttl_ms     BIGINT     NOT NULL,
    owner      BLOB       NOT NULL,
    host       BLOB       NOT NULL,
    pid        BIGINT     NOT NULL,
    app        BLOB       NOT NULL,
    renewed_at BIGINT     NOT NULL,
    fixed      TINYINT    NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

-- One row for each name ever locked. It outlives the release: it carries the fence. There
-- is no index but the primary key, so a change touches one tree.
CREATE TABLE leasehold_lock (
    name          VARBINARY(1024) NOT NULL PRIMARY KEY,
    fence         BIGINT          NOT NULL,
    holder_lease  BINARY(16),
    holder_ticket BINARY(16),
    granted_at    BIGINT,
    mark_by       BLOB,
    mark_reason   BLOB,
    marked_at     BIGINT,
    queue         LONGBLOB        NOT NULL,
    crowd         LONGBLOB,
    data          LONGBLOB
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

-- One row for each name ever locked, never changed: a guard locks it to share, and whoever
-- ends a grant locks it alone. So a guard stops that, and nothing else on the lock's row.
CREATE TABLE leasehold_guard (
    name VARBINARY(1024) NOT NULL PRIMARY KEY
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

-- Written to flush the log, so that what others have committed is known to be on the disk.
CREATE TABLE leasehold_flush (
    one TINYINT NOT NULL PRIMARY KEY,
    n   BIGINT  NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

INSERT INTO leasehold_flush (one, n) VALUES (1, 0);

-- What the tables are, and the incarnation of the database. A promoted replica or a restored
-- backup is another one: it may lack the last grants, so while "granting" is 0 nothing is
-- granted. Epoch 0 is no incarnation: the first client to connect records the one it sees.
CREATE TABLE leasehold_meta (
    one             TINYINT        NOT NULL PRIMARY KEY,
    version         INT            NOT NULL,
    protocol        INT            NOT NULL,
    oldest_protocol INT            NOT NULL,
    max_ttl_ms      BIGINT         NOT NULL,
    grace           TINYINT        NOT NULL,
    epoch           BIGINT         NOT NULL,
    server          VARBINARY(512) NOT NULL,
    seen_at         BIGINT         NOT NULL,
    granting        TINYINT        NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

INSERT INTO leasehold_meta
    (one, version, protocol, oldest_protocol, max_ttl_ms, grace, epoch, server, seen_at, granting)
VALUES (1, 1, 1, 1, 60000, 1, 0, '', 0, 1);
