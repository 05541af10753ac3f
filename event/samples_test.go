package event_test

import (
	"encoding/json"

	"splitsync/event"
)

// text holds what encoders like to spoil: quotes, HTML, NUL, line separators, emoji, a combining accent, the replacement character.
const text = "\"<b>\\&' \x00\x01\t\n\r\u2028\u2029 \U0001f600 e\u0301 \ufffd \x7f 中文"

// events is one full sample of every kind.
func events() []event.Event {
	admins := []string{"ann", "bob|x"}
	return []event.Event{
		&event.Message{RoomID: "room", UserID: "ann", Nickname: "Ann", Content: text, IsAdmin: true, ClientMsgID: "c1", ClientTS: 1700000000123},
		&event.SystemMessage{RoomID: "room", Content: text},
		&event.CustomEvent{RoomID: "room", UserID: "ann", EventType: "poll", Payload: json.RawMessage(`{"n":12345678901234567890,"n":1e400,"t":"<\u2028>","l":[1,null]}`)},
		&event.RoomCreated{RoomID: "room", RoomName: "The <Room>", AdminUserIDs: admins},
		&event.RoomClosed{RoomID: "room", FinalStats: event.Stats{CurrentUsers: 1, PeakUsers: 2, TotalJoins: 3}},
		event.NewAdminsChanged("room", admins),
		event.NewUserBanned("room", "eve", "ann"),
		event.NewUserUnbanned("room", "eve", ""),
		event.NewUserMuted("room", "eve", "ann"),
		event.NewUserUnmuted("room", "eve", ""),
		&event.UserJoined{RoomID: "room", UserID: "ann", Nickname: "Ann", SessionID: "s1", Incarnation: "7-0"},
		&event.UserLeft{
			RoomID: "room", UserID: "ann", Nickname: "Ann", SessionID: "s1", Incarnation: "7-0", Reason: event.LeaveGatewayLost,
			JoinTimeMS: 1700000000123, JoinSeq: 1<<48 | 5, LeaveTimeMS: 1700000009999,
		},
		&event.GatewayFence{Incarnation: "7-0"},
	}
}

// others is one full sample of every other value that leaves the process: callback bodies, registers, records of other topics.
func others() map[string]any {
	head := func(t event.CallbackType) event.CallbackHead {
		return event.CallbackHead{EventType: string(t), EventID: "id-1", RoomID: "room", Timestamp: 1700000000, TimestampMS: 1700000000123}
	}
	batch := func(t event.CallbackType) event.BatchHead {
		return event.BatchHead{CallbackHead: head(t), BatchID: "id-1", IsLastBatch: true, Topic: "splitsync.chat", Partition: 2, FirstOffset: 5, LastOffset: 9, Watermark: "2:9"}
	}
	left := events()[11].(*event.UserLeft)
	stats := event.Stats{CurrentUsers: 1, PeakUsers: 2, TotalJoins: 3}
	chat := event.ChatRecord{
		RoomID: "room", UserID: "ann", Nickname: "Ann", Content: text, CreatedAt: 1700000000, CreatedAtMS: 1700000000123,
		MessageID: "018bcfe5-687b-8001-8002-000000000005", Seq: 1<<48 | 5, IsAdmin: true, Kind: event.KindSystemMessage, ClientMsgID: "c1", ClientTS: 1,
	}
	info := event.RoomInfo{
		RoomID: "room", RoomName: "The <Room>", AdminUserIDs: []string{"ann"}, CurrentConnections: 1, CreatedAt: 1700000000, CreatedAtMS: 1700000000123,
		LastActivity: 1700000001, LastActivityMS: 1700000001123,
	}
	return map[string]any{
		"callback_room_created":          event.RoomCreatedBody{CallbackHead: head(event.CallbackRoomCreated), RoomName: "The <Room>", AdminIDs: []string{"ann"}},
		"callback_room_closed":           event.RoomClosedBody{CallbackHead: head(event.CallbackRoomClosed), FinalStats: stats},
		"callback_user_joined":           event.UserJoinedBody{CallbackHead: head(event.CallbackUserJoined), UserID: "ann", Nickname: "Ann", SessionID: "s1"},
		"callback_user_left":             event.UserLeftBody{CallbackHead: head(event.CallbackUserLeft), UserID: "ann", Nickname: "Ann", SessionID: "s1", Duration: 9, Reason: event.LeaveLeft},
		"callback_chat_history_batch":    event.ChatBatchBody{BatchHead: batch(event.CallbackChatBatch), Messages: []event.ChatRecord{chat}},
		"callback_session_history_batch": event.SessionBatchBody{BatchHead: batch(event.CallbackSessionBatch), Sessions: []event.SessionRecord{event.NewSessionRecord(left, 0)}},
		"callback_periodic_sync":         event.PeriodicBody{CallbackHead: head(event.CallbackPeriodic), RoomInfo: info, Stats: event.PeriodicStats{Stats: stats, TotalMessages: 4}, LastSyncTime: 1700000000},
		"callback_ping":                  head(event.CallbackPing),
		"callback_legacy_head":           event.LegacyRoom{RoomID: "room", AdminUserIDs: []string{"ann"}, StartTime: 1700000000, StartTimeMS: 1700000000123, Stats: stats, Nested: event.LegacyStats{StartTime: 1700000000, Stats: stats}},
		"session_open":                   event.SessionRecord{UserID: "ann", Nickname: "Ann", JoinTime: 1700000000, JoinTimeMS: 1700000000123, SessionID: "s1"},
		"register_log":                   event.LogMeta{V: 1, Epoch: 1, Partitions: 12, WindowSeconds: 120, WindowRecords: 262144},
		"register_meta":                  event.MetaRegister{Seq: 1<<48 | 5, RoomName: "The <Room>", CreatedAtMS: 1700000000123},
		"register_closed":                event.ClosedRegister{Seq: 1<<48 | 5, ClosedAtMS: 1700000000123},
		"register_admins":                event.AdminsRegister{Seq: 1<<48 | 5, AdminUserIDs: []string{"ann"}},
		"register_flag":                  event.FlagRegister{Seq: 1<<48 | 5, Active: true, By: "ann"},
		"register_stats":                 event.StatsRegister{Seq: 1<<48 | 5, Stats: stats, LastActivityMS: 1700000000123},
		"gateway_heartbeat":              event.Heartbeat{AtMS: 1700000000123, Members: 3},
		"gateway_member_count":           event.MemberCount{Count: 3},
		"control_sync_request":           event.SyncRequest{RequestedAtMS: 1700000000123},
		"control_stream_start":           event.StreamStart{Stream: "chat", Partition: 2, Offset: 5, AtMS: 1700000000123},
	}
}
