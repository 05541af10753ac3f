-- Every record of the topic chat, once: the key holds facts of the log, so a record that is inserted again is the same row.
CREATE TABLE IF NOT EXISTS chat_messages_raw
(
    room_id         String CODEC(ZSTD(1)),
    created_at      DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    seq             UInt64 CODEC(Delta, ZSTD(1)),
    message_id      UUID CODEC(ZSTD(1)),
    kind            LowCardinality(String),
    user_id         String CODEC(ZSTD(1)),
    nickname        String CODEC(ZSTD(1)),
    content         String CODEC(ZSTD(1)),
    is_admin        Bool,
    client_msg_id   String CODEC(ZSTD(1)),
    client_ts       Int64 COMMENT 'the client''s own time, Unix milliseconds; 0 = none' CODEC(Delta, ZSTD(1)),
    kafka_partition UInt16,
    kafka_offset    UInt64 CODEC(Delta, ZSTD(1)),
    ingested_at     DateTime64(3, 'UTC') DEFAULT now64(3) CODEC(Delta, ZSTD(1)),
    INDEX content_text content TYPE text(tokenizer = 'splitByNonAlpha'),
    INDEX seq_range seq TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(created_at)
ORDER BY (room_id, created_at, seq)
SETTINGS index_granularity = 1024;

-- The seqs of a room, an hour and a kind as a set: counts stay exact when a row is inserted twice.
CREATE TABLE IF NOT EXISTS room_hours
(
    room_id  String CODEC(ZSTD(1)),
    hour     DateTime('UTC') CODEC(Delta, ZSTD(1)),
    kind     LowCardinality(String),
    messages AggregateFunction(groupBitmap, UInt64),
    users    AggregateFunction(uniq, String),
    last_at  SimpleAggregateFunction(max, DateTime64(3, 'UTC'))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(hour)
ORDER BY (room_id, hour, kind)
SETTINGS index_granularity = 1024;

CREATE MATERIALIZED VIEW IF NOT EXISTS room_hours_mv TO room_hours AS
SELECT
    room_id,
    toStartOfHour(created_at)   AS hour,
    kind,
    groupBitmapState(seq)       AS messages,
    uniqState(user_id)          AS users,
    max(created_at)             AS last_at
FROM chat_messages_raw
GROUP BY room_id, hour, kind;
