package history

import (
	"context"
	"errors"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// Codes of ClickHouse. Source: src/Common/ErrorCodes.cpp of ClickHouse.
const (
	codeUnknownTable    = 60
	codeUnknownDatabase = 81
)

// dataCodes are the errors that a row's values can cause, so that the other rows of the block would be stored without it.
var dataCodes = map[int32]bool{
	6:   true, // CANNOT_PARSE_TEXT
	27:  true, // CANNOT_PARSE_INPUT_ASSERTION_FAILED
	41:  true, // CANNOT_PARSE_DATETIME
	53:  true, // TYPE_MISMATCH
	69:  true, // ARGUMENT_OUT_OF_BOUND
	70:  true, // CANNOT_CONVERT_TYPE
	117: true, // INCORRECT_DATA
	131: true, // TOO_LARGE_STRING_SIZE
	321: true, // VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
	469: true, // VIOLATED_CONSTRAINT
}

// IsData tells whether an Insert failed because of the values of a row. Every other error of Insert may end by itself.
func IsData(err error) bool {
	var ex *clickhouse.Exception
	return errors.As(err, &ex) && dataCodes[ex.Code]
}

// fatalCodes are the errors that repeating the same statement does not mend: somebody has to change something first.
var fatalCodes = map[int32]bool{
	16:  true, // NO_SUCH_COLUMN_IN_TABLE
	46:  true, // UNKNOWN_FUNCTION
	47:  true, // UNKNOWN_IDENTIFIER
	60:  true, // UNKNOWN_TABLE
	62:  true, // SYNTAX_ERROR
	81:  true, // UNKNOWN_DATABASE
	115: true, // UNKNOWN_SETTING
	497: true, // ACCESS_DENIED
	516: true, // AUTHENTICATION_FAILED
}

// IsTransient tells whether an error of the store may end by itself: the server is away, busy, full or restarting. Neither an error of the
// data nor one that the schema, the statement or the rights cause is. A context that has ended is not transient.
func IsTransient(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	var ex *clickhouse.Exception
	return !errors.As(err, &ex) || !dataCodes[ex.Code] && !fatalCodes[ex.Code]
}
