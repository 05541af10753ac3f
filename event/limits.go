package event

import (
	"fmt"
	"math"
	"unicode/utf8"
)

// Bounds of the contract, in bytes of UTF-8.
const (
	MaxRoomIDBytes      = 128
	MaxUserBytes        = 128 // user_id and nickname
	MaxRoomNameBytes    = 256
	MaxClientMsgIDBytes = 64
	MaxSessionIDBytes   = 64
	MaxEventTypeBytes   = 128
	MaxReasonBytes      = 64
	MaxAdmins           = 1000
	MaxContentBytes     = 900 << 10 // what a record can hold; the gateway's MAX_MESSAGE_BYTES is below
)

// MaxTimeMS is the last millisecond that a record may tell: the year 2106, where ClickHouse's hours end.
const MaxTimeMS = math.MaxUint32*1000 + 999

// FieldError tells which field is outside its contract, and what is allowed.
type FieldError struct {
	Field   string
	Problem string
}

// Error names the field and the allowed range; it never repeats the value.
func (e *FieldError) Error() string { return e.Field + " " + e.Problem }

// CheckRoomID checks a room_id: 1 to 128 characters of A-Z a-z 0-9 . _ ~ -
func CheckRoomID(s string) error {
	if len(s) < 1 || len(s) > MaxRoomIDBytes {
		return &FieldError{"room_id", "must have 1 to 128 characters"}
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		ok := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '~' || c == '-'
		if !ok {
			return &FieldError{"room_id", "may hold only A-Z a-z 0-9 . _ ~ -"}
		}
	}
	return nil
}

// CheckUser checks a user_id or nickname: 1 to 128 bytes of UTF-8. field is the name to report.
func CheckUser(field, s string) error { return checkText(field, s, 1, MaxUserBytes) }

// CheckAdmins checks a list of admins: at most 1000, each a user_id.
func CheckAdmins(ids []string) error {
	if len(ids) > MaxAdmins {
		return &FieldError{"admin_user_ids", fmt.Sprintf("may hold at most %d users", MaxAdmins)}
	}
	for i, id := range ids {
		if err := CheckUser(fmt.Sprintf("admin_user_ids[%d]", i), id); err != nil {
			return err
		}
	}
	return nil
}

func checkText(field, s string, low, high int) error {
	switch {
	case len(s) < low || len(s) > high:
		return &FieldError{field, fmt.Sprintf("must have %d to %d bytes", low, high)}
	case !utf8.ValidString(s):
		return &FieldError{field, "must be UTF-8"}
	}
	return nil
}

func checkTime(field string, ms int64) error {
	if ms < 0 || ms > MaxTimeMS {
		return &FieldError{field, fmt.Sprintf("must be 0 to %d", int64(MaxTimeMS))}
	}
	return nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
