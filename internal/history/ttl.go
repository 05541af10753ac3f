package history

import (
	"context"
	"fmt"
)

// ttlColumns are the tables that HISTORY_TTL_DAYS holds for, with the time that counts. Rows and the sets of their hours go at the same
// whole hour, so that counts and pages agree.
var ttlColumns = []struct{ table, at string }{
	{"chat_messages_raw", "toStartOfHour(toDateTime(created_at))"},
	{"room_hours", "hour"},
	{"user_sessions_raw", "toStartOfHour(toDateTime(join_time))"},
	{"room_session_hours", "hour"},
	{"room_incarnations", "toStartOfHour(last_at)"},
}

// setTTL makes the tables' TTL what the setting says; it changes nothing that is already so.
func (s *Store) setTTL(ctx context.Context) error {
	for _, t := range ttlColumns {
		var has bool
		err := s.conn.QueryRow(ctx, "SELECT position(create_table_query, ' TTL ') > 0 FROM system.tables WHERE database = ? AND name = ?",
			s.cfg.Database, t.table).Scan(&has)
		if err != nil {
			return fmt.Errorf("read TTL of %s: %w", t.table, err)
		}
		switch {
		case s.cfg.TTLDays > 0:
			err = s.conn.Exec(ctx, fmt.Sprintf("ALTER TABLE %s MODIFY TTL %s + INTERVAL %d DAY", s.table(t.table), t.at, s.cfg.TTLDays))
		case has:
			err = s.conn.Exec(ctx, "ALTER TABLE "+s.table(t.table)+" REMOVE TTL")
		}
		if err != nil {
			return fmt.Errorf("set TTL of %s: %w", t.table, err)
		}
	}
	return nil
}
