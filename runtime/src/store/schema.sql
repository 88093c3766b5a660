-- Version 1. Times are microseconds since the unix epoch. `record` is the whole record as JSON.

CREATE TABLE tasks (
    idx             INTEGER PRIMARY KEY, -- the order of submission
    task_id         TEXT NOT NULL UNIQUE,
    user_id         TEXT NOT NULL,
    name            TEXT NOT NULL,
    docker_image    TEXT NOT NULL,
    command         TEXT,                -- a JSON array; null for the image's own
    cpu_cores       REAL NOT NULL,
    memory_gb       REAL NOT NULL,
    storage_gb      REAL NOT NULL,
    gpu_cores       REAL NOT NULL,
    status          TEXT NOT NULL,
    attempt         INTEGER NOT NULL,
    assigned_worker TEXT,
    created_at_us   INTEGER NOT NULL,
    started_at_us   INTEGER,
    completed_at_us INTEGER,
    record          TEXT NOT NULL
) STRICT;

-- An index ends in the row's idx by itself: each of these also gives the order of a list, the newest first.
CREATE INDEX tasks_by_age ON tasks (created_at_us);
CREATE INDEX tasks_by_user ON tasks (user_id, created_at_us);
CREATE INDEX tasks_by_status ON tasks (status, created_at_us);
CREATE INDEX tasks_by_worker ON tasks (assigned_worker, created_at_us);

CREATE TABLE worker_registry (
    worker_id         TEXT PRIMARY KEY,
    idx               INTEGER NOT NULL, -- the order of registration
    worker_ip         TEXT NOT NULL,
    total_cpu         REAL NOT NULL,
    total_memory      REAL NOT NULL,
    total_storage     REAL NOT NULL,
    total_gpu         REAL NOT NULL,
    is_active         INTEGER NOT NULL,
    last_heartbeat_us INTEGER,
    registered_at_us  INTEGER NOT NULL,
    updated_at_us     INTEGER NOT NULL,
    record            TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX workers_by_activity ON worker_registry (is_active);

CREATE TABLE results (
    task_id         TEXT NOT NULL UNIQUE,
    worker_id       TEXT NOT NULL,
    status          TEXT NOT NULL,
    exit_code       INTEGER NOT NULL,
    execution_time  REAL NOT NULL,       -- seconds
    completed_at_us INTEGER NOT NULL,
    record          TEXT NOT NULL
) STRICT;

CREATE INDEX results_by_age ON results (completed_at_us, task_id);
CREATE INDEX results_by_worker ON results (worker_id, completed_at_us, task_id);
CREATE INDEX results_by_status ON results (status, completed_at_us, task_id);

CREATE TABLE settings (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE journal (
    seq    INTEGER PRIMARY KEY,
    at_us  INTEGER NOT NULL,
    kind   TEXT NOT NULL,
    record TEXT NOT NULL
) STRICT;
