package load

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxLineBytes bounds one line of a file. JSON may write each byte of a text as \u00xx.
const maxLineBytes = 8 << 20

// line is one message of a file.
type line struct {
	n    int    // 1 for the first line
	Room string `json:"room"`
	User string `json:"user"`
	TS   int64  `json:"ts"` // Unix milliseconds
	Text string `json:"text"`
}

// source reads a file of messages.
type source struct {
	scan  *bufio.Scanner
	n     int
	close []func() error
}

// openSource opens a file, plain, gzip or zstd: its first bytes tell.
func openSource(path string) (*source, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open chat log: %w", err)
	}
	s := &source{close: []func() error{f.Close}}
	r, err := s.decompress(bufio.NewReaderSize(f, 256<<10))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open chat log %s: %w", path, err), s.end())
	}
	s.scan = bufio.NewScanner(r)
	s.scan.Buffer(make([]byte, 64<<10), maxLineBytes)
	return s, nil
}

func (s *source) decompress(r *bufio.Reader) (io.Reader, error) {
	head, err := r.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, err
		}
		s.close = append(s.close, z.Close)
		return z, nil
	case bytes.Equal(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		s.close = append(s.close, func() error { z.Close(); return nil })
		return z, nil
	}
	return r, nil
}

// next returns the next line; io.EOF at the end. Lines without any character are counted and passed over.
func (s *source) next() (line, error) {
	for s.scan.Scan() {
		s.n++
		if len(bytes.TrimSpace(s.scan.Bytes())) == 0 {
			continue
		}
		l := line{n: s.n}
		if err := json.Unmarshal(s.scan.Bytes(), &l); err != nil {
			return l, fmt.Errorf("chat log: line %d is not a JSON object of room, user, ts and text", s.n)
		}
		return l, nil
	}
	if err := s.scan.Err(); err != nil {
		return line{}, fmt.Errorf("chat log: behind line %d: %w", s.n, err)
	}
	return line{}, io.EOF
}

// end closes the file.
func (s *source) end() error {
	var err error
	for i := len(s.close) - 1; i >= 0; i-- {
		err = errors.Join(err, s.close[i]())
	}
	return err
}
