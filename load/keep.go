package load

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// Keep makes the receiver write each callback to a file before it is answered, and first takes what is in that file, so that a receiver that was
// killed goes on where it was. A callback that was being written at that moment was not answered and comes again.
func (r *Receiver) Keep(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("keep callbacks: %w", err)
	}
	whole, err := r.reload(f)
	if err == nil {
		err = f.Truncate(whole)
	}
	if err == nil {
		_, err = f.Seek(whole, io.SeekStart)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("read kept callbacks: %w", err), f.Close())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept = f
	return nil
}

// reload takes the callbacks of a file and returns the length of those that are whole.
func (r *Receiver) reload(f io.Reader) (whole int64, err error) {
	in := bufio.NewReaderSize(f, 256<<10)
	for {
		var parts [2][]byte
		for i := range parts {
			if parts[i], err = readPart(in); err != nil {
				if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
					return whole, nil
				}
				return whole, err
			}
		}
		if err := r.accept(string(parts[0]), parts[1], nil); err != nil {
			return whole, err
		}
		whole += int64(8 + len(parts[0]) + len(parts[1]))
	}
}

func readPart(in io.Reader) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(in, size[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > maxCallbackBytes {
		return nil, errors.New("the file is not one of kept callbacks")
	}
	b := make([]byte, n)
	_, err := io.ReadFull(in, b)
	return b, err
}

// keep writes a callback; the lock is held.
func (r *Receiver) keep(f *os.File, id string, body []byte) error {
	b := make([]byte, 0, 8+len(id)+len(body))
	b = binary.BigEndian.AppendUint32(b, uint32(len(id)))
	b = append(b, id...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(body)))
	b = append(b, body...)
	if _, err := f.Write(b); err != nil {
		return fmt.Errorf("keep callback %.80q: %w", id, err)
	}
	return nil
}

// Close ends the keeping.
func (r *Receiver) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kept == nil {
		return nil
	}
	f := r.kept
	r.kept = nil
	return f.Close()
}
