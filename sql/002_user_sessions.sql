-- One row a session. A user_left record repeats its session's beginning, so the greatest version is the whole truth: any end beats the
-- beginning, and of several ends the first in the log wins. Records may come twice, late, and in any order.
CREATE TABLE IF NOT EXISTS user_sessions_raw
(
    room_id         String CODEC(ZSTD(1)),
    join_time       DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    session_id      String CODEC(ZSTD(1)),
    user_id         String CODEC(ZSTD(1)),
    nickname        String CODEC(ZSTD(1)),
    incarnation     String COMMENT 'of the gateway that held the connection' CODEC(ZSTD(1)),
    join_seq        UInt64 CODEC(Delta, ZSTD(1)),
    leave_seq       UInt64 COMMENT '0 = open' CODEC(ZSTD(1)),
    leave_time      DateTime64(3, 'UTC') COMMENT '1970 = open' CODEC(ZSTD(1)),
    leave_reason    LowCardinality(String),
    kafka_partition UInt16,
    version         UInt64 DEFAULT if(leave_seq = 0, 0, bitNot(leave_seq)) CODEC(ZSTD(1)),
    ingested_at     DateTime64(3, 'UTC') DEFAULT now64(3) CODEC(Delta, ZSTD(1)),
    INDEX join_seq_range join_seq TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(join_time)
ORDER BY (room_id, join_time, session_id)
SETTINGS index_granularity = 1024;

-- The sessions of a room that began in an hour, as sets: joined and finished hold join_seqs, leaves holds the leave_seqs.
CREATE TABLE IF NOT EXISTS room_session_hours
(
    room_id  String CODEC(ZSTD(1)),
    hour     DateTime('UTC') CODEC(Delta, ZSTD(1)),
    joined   AggregateFunction(groupBitmap, UInt64),
    finished AggregateFunction(groupBitmap, UInt64),
    leaves   AggregateFunction(groupBitmap, UInt64),
    last_at  SimpleAggregateFunction(max, DateTime64(3, 'UTC'))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(hour)
ORDER BY (room_id, hour)
SETTINGS index_granularity = 1024;

CREATE MATERIALIZED VIEW IF NOT EXISTS room_session_hours_mv TO room_session_hours AS
SELECT
    room_id,
    toStartOfHour(join_time)                      AS hour,
    groupBitmapState(join_seq)                    AS joined,
    groupBitmapIfState(join_seq, leave_seq != 0)  AS finished,
    groupBitmapIfState(leave_seq, leave_seq != 0) AS leaves,
    max(greatest(join_time, leave_time))          AS last_at
FROM user_sessions_raw
GROUP BY room_id, hour;

-- The sessions of a gateway incarnation and room, as sets of join_seqs: what is in joined and not in finished is open.
CREATE TABLE IF NOT EXISTS room_incarnations
(
    incarnation String CODEC(ZSTD(1)),
    room_id     String CODEC(ZSTD(1)),
    joined      AggregateFunction(groupBitmap, UInt64),
    finished    AggregateFunction(groupBitmap, UInt64),
    last_at     SimpleAggregateFunction(max, DateTime('UTC'))
)
ENGINE = AggregatingMergeTree
ORDER BY (incarnation, room_id)
SETTINGS index_granularity = 1024;

CREATE MATERIALIZED VIEW IF NOT EXISTS room_incarnations_mv TO room_incarnations AS
SELECT
    incarnation,
    room_id,
    groupBitmapState(join_seq)                   AS joined,
    groupBitmapIfState(join_seq, leave_seq != 0) AS finished,
    max(toDateTime(join_time))                   AS last_at
FROM user_sessions_raw
GROUP BY incarnation, room_id;
