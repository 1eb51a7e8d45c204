-- Makes the tables of protocol 1. No index but the primary keys, and room in every
-- page, so that each update stays within its page and touches no index.

CREATE TABLE leasehold.meta (
    one             boolean PRIMARY KEY DEFAULT true CHECK (one),
    version         integer NOT NULL,
    protocol        integer NOT NULL,
    oldest_protocol integer NOT NULL CHECK (oldest_protocol <= protocol),
    max_ttl_ms      bigint  NOT NULL CHECK (max_ttl_ms >= 100),
    grace           boolean NOT NULL
);

-- The incarnation of the database. A promoted standby or a restored backup is another
-- one: it may lack the last grants, so while "granting" is false nothing is granted.
CREATE TABLE leasehold.epoch (
    one               boolean     PRIMARY KEY DEFAULT true CHECK (one),
    number            bigint      NOT NULL CHECK (number >= 0),
    system_identifier text        NOT NULL,
    timeline          text        NOT NULL,
    seen_at           timestamptz NOT NULL,
    granting          boolean     NOT NULL
) WITH (fillfactor = 50);

-- One row for each client that holds or awaits something.
CREATE TABLE leasehold.lease (
    id         uuid        PRIMARY KEY,
    beat       bigint      NOT NULL CHECK (beat > 0),
    notice     bigint      NOT NULL CHECK (notice >= 0),
    ttl_ms     bigint      NOT NULL CHECK (ttl_ms > 0),
    owner      text        NOT NULL,
    host       text        NOT NULL,
    pid        integer     NOT NULL,
    app        text        NOT NULL,
    renewed_at timestamptz NOT NULL,
    fixed      boolean     NOT NULL DEFAULT false
) WITH (
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 500,
    autovacuum_vacuum_cost_delay = 0
);

-- One row for each name ever locked. It outlives the release: it carries the fence. There
-- are no CHECK constraints: the server would parse them anew in every statement, which
-- costs more than the statement's own work. Programs check each row that they read.
CREATE TABLE leasehold.lock (
    name          text        COLLATE "C" PRIMARY KEY,
    fence         bigint      NOT NULL,
    holder_lease  uuid,
    holder_ticket uuid,
    granted_at    timestamptz,
    mark_by       text,
    mark_reason   text,
    marked_at     timestamptz,
    queue_leases  uuid[]      NOT NULL DEFAULT '{}',
    queue_tickets uuid[]      NOT NULL DEFAULT '{}',
    crowd         jsonb,
    data          bytea
) WITH (
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_vacuum_threshold = 500,
    autovacuum_vacuum_cost_delay = 0
);

ALTER TABLE leasehold.lock ALTER COLUMN queue_leases SET STORAGE MAIN;
ALTER TABLE leasehold.lock ALTER COLUMN queue_tickets SET STORAGE MAIN;

-- Number 0 is no incarnation: the first client to connect records the one it sees.
INSERT INTO leasehold.epoch (number, system_identifier, timeline, seen_at, granting)
VALUES (0, '', '', clock_timestamp(), true);

INSERT INTO leasehold.meta (version, protocol, oldest_protocol, max_ttl_ms, grace)
VALUES (2, 1, 1, 60000, true);
