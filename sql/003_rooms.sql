-- What is known of a room, a row an aspect: created and closed keep the first of the log, the others the last. chat_stored and sessions_stored
-- tell up to which seq the rows of the room and the sets of their hours are all here: they are written after them.
CREATE TABLE IF NOT EXISTS rooms_raw
(
    room_id        String,
    aspect         LowCardinality(String) COMMENT 'created, closed, admins, stats, chat_stored or sessions_stored',
    seq            UInt64 COMMENT 'of the record in the topic sessions (chat_stored: chat)',
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
