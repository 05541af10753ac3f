package history

import (
	"fmt"
	"time"
)

// timestamp scans a DateTime64(3).
type timestamp struct{ t time.Time }

// Scan implements sql.Scanner.
func (t *timestamp) Scan(v any) error {
	at, ok := v.(time.Time)
	if !ok {
		return fmt.Errorf("scan %T as a time", v)
	}
	t.t = at
	return nil
}

func (t timestamp) ms() int64 { return t.t.UnixMilli() }
