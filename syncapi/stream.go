package syncapi

import (
	"bufio"
	"net/http"

	"splitsync/event"
)

// streamBuffer is what of an answer is in memory before it is sent; an error before that is still answered as a problem.
const streamBuffer = 32 << 10

// stream writes a JSON body piece by piece. The first error stays and is returned by end.
type stream struct {
	w   *bufio.Writer
	err error
}

func newStream(w http.ResponseWriter) *stream {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	return &stream{w: bufio.NewWriterSize(w, streamBuffer)}
}

func (s *stream) text(t string) {
	if s.err == nil {
		_, s.err = s.w.WriteString(t)
	}
}

func (s *stream) value(v any) {
	if s.err != nil {
		return
	}
	data, err := event.Marshal(v)
	if err != nil {
		s.err = err
		return
	}
	_, s.err = s.w.Write(data)
}

// element writes the i-th element of an array.
func (s *stream) element(i int, v any) {
	if i > 0 {
		s.text(",")
	}
	s.value(v)
}

// end sends the rest.
func (s *stream) end() error {
	if s.err == nil {
		s.err = s.w.Flush()
	}
	return s.err
}
