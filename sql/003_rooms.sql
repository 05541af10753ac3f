-- What is known of a room, a row an aspect: created and closed keep the first of the log, admins and stats the last.
CREATE TABLE IF NOT EXISTS rooms_raw
(
    room_id        String,
    aspect         LowCardinality(String) COMMENT 'created, closed, admins or stats',
    seq            UInt64 COMMENT 'of the record in the topic sessions',
    at             DateTime64(3, 'UTC'),
    room_name      String,
    admin_user_ids Array(String),
    current_users  Int64,
    peak_users     Int64,
    total_joins    Int64,
    version        UInt64 DEFAULT if(aspect IN ('created', 'closed'), bitNot(seq), seq),
    ingested_at    DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (room_id, aspect);
