package client

import (
	"bytes"
	"errors"
)

var errNotObject = errors.New("not a JSON object")

// fields calls visit for each member of the JSON object b with its key, without quotes and still escaped, and its raw value. It looks at b once
// and allocates nothing. It finds the ends of values and checks no more than that.
func fields(b []byte, visit func(key, value []byte)) error {
	i := space(b, 0)
	if i >= len(b) || b[i] != '{' {
		return errNotObject
	}
	i = space(b, i+1)
	if i < len(b) && b[i] == '}' {
		return nil
	}
	for i < len(b) {
		end := value(b, i)
		if end < 0 || b[i] != '"' {
			return errNotObject
		}
		key := b[i+1 : end-1]
		if i = space(b, end); i >= len(b) || b[i] != ':' {
			return errNotObject
		}
		i = space(b, i+1)
		if end = value(b, i); end < 0 {
			return errNotObject
		}
		visit(key, b[i:end])
		if i = space(b, end); i >= len(b) {
			return errNotObject
		}
		if b[i] == '}' {
			return nil
		}
		if b[i] != ',' {
			return errNotObject
		}
		i = space(b, i+1)
	}
	return errNotObject
}

func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

// value is the index behind the value that starts at i, or -1.
func value(b []byte, i int) int {
	if i >= len(b) {
		return -1
	}
	switch b[i] {
	case '"':
		return str(b, i)
	case '{', '[':
		return nested(b, i)
	}
	j := i
	for j < len(b) && b[j] != ',' && b[j] != '}' && b[j] != ']' && b[j] > ' ' {
		j++
	}
	if j == i {
		return -1
	}
	return j
}

// str is the index behind the string that starts at i, or -1.
func str(b []byte, i int) int {
	for j := i + 1; ; {
		n := bytes.IndexByte(b[j:], '"')
		if n < 0 {
			return -1
		}
		j += n + 1
		escapes := 0
		for k := j - 2; k > i && b[k] == '\\'; k-- {
			escapes++
		}
		if escapes%2 == 0 {
			return j
		}
	}
}

// nested is the index behind the object or array that starts at i, or -1.
func nested(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			if i = str(b, i); i < 0 {
				return -1
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
		i++
	}
	return -1
}

// number reads a whole number that is not negative; 0 for anything else.
func number(b []byte) uint64 {
	var n uint64
	for _, c := range b {
		if c < '0' || c > '9' || n > (1<<63)/10 {
			return 0
		}
		n = n*10 + uint64(c-'0')
	}
	return n
}
