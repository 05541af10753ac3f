-- The names that an analyst types: no versions, no duplicates.
CREATE OR REPLACE VIEW chat_messages AS
SELECT room_id, created_at, seq, message_id, kind, user_id, nickname, content, is_admin, client_msg_id, client_ts,
       kafka_partition, kafka_offset, ingested_at
FROM chat_messages_raw FINAL;

CREATE OR REPLACE VIEW user_sessions AS
SELECT room_id, join_time, session_id, user_id, nickname, incarnation, join_seq, leave_seq,
       if(leave_seq = 0, NULL, leave_time)                                                      AS leave_time,
       if(leave_seq = 0, NULL, intDiv(dateDiff('millisecond', join_time, leave_time), 1000)) AS duration_seconds,
       leave_reason, kafka_partition, ingested_at
FROM user_sessions_raw FINAL;

CREATE OR REPLACE VIEW rooms AS
SELECT room_id,
       anyIf(room_name, aspect = 'created')           AS room_name,
       if(countIf(aspect = 'admins') > 0, anyIf(admin_user_ids, aspect = 'admins'), anyIf(admin_user_ids, aspect = 'created')) AS admin_user_ids,
       minIf(at, aspect = 'created')                  AS created_at,
       if(countIf(aspect = 'closed') > 0, minIf(at, aspect = 'closed'), NULL) AS closed_at,
       maxIf(current_users, aspect = 'stats')         AS current_users,
       maxIf(peak_users, aspect = 'stats')            AS peak_users,
       maxIf(total_joins, aspect = 'stats')           AS total_joins,
       max(at)                                        AS changed_at
FROM rooms_raw FINAL
GROUP BY room_id
HAVING countIf(aspect = 'created') > 0;

CREATE OR REPLACE VIEW room_hours_v AS
SELECT room_id, hour, kind, groupBitmapMerge(messages) AS messages, uniqMerge(users) AS users, max(last_at) AS last_at
FROM room_hours
GROUP BY room_id, hour, kind;
