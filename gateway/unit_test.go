package gateway

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"splitsync/event"
	"splitsync/internal/kafkalog"
	"splitsync/internal/metrics"
)

func FuzzDecodeCommand(f *testing.F) {
	for _, s := range []string{`{"type":"Ping","id":1}`, `{"type":"SendMessage","id":"a","payload":{"content":"\ud83d\ude42"}}`, `{}`, `[]`, "\xff", `{"type":"x","id":{}}`, `"\ud800"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		c, err := decodeCommand(line, true)
		var bad *event.FieldError
		if err != nil && !errors.As(err, &bad) {
			t.Fatalf("error of another type: %v", err)
		}
		if err != nil {
			return
		}
		if c.typ == "" || len(c.id) > maxIDBytes {
			t.Fatalf("accepted %+v", c)
		}
		var m event.SendMessage
		if err := c.into(&m); err != nil {
			return
		}
		if !utf8.ValidString(m.Content) {
			t.Fatal("content is not UTF-8")
		}
		if frame := envelope("Ack", c.id, m); !json.Valid(frame) || strings.ContainsRune(string(frame), '\n') {
			t.Fatalf("reply %q", frame)
		}
	})
}

func TestLoneSurrogates(t *testing.T) {
	for text, want := range map[string]bool{
		`"\ud83d\ude42"`: false, `"\ud83d"`: true, `"\ude42"`: true, `"\ud83d\u0041"`: true, `"\\ud83d"`: false, `"\ud83d\\ude42"`: true,
		`"\uD83D\uDE42x\u00e9"`: false, `"plain"`: false, `"\u`: false, `\`: false,
	} {
		if got := loneSurrogate([]byte(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestBucketAndSlowMode(t *testing.T) {
	now := time.Unix(1000, 0)
	s := newSpeech(2, now)
	for range 2 {
		if _, ok := s.take(now, 0); !ok {
			t.Fatal("the burst is one second's messages")
		}
	}
	if wait, ok := s.take(now, 0); ok || wait != 500*time.Millisecond {
		t.Errorf("third message: %s %v", wait, ok)
	}
	if s.idle(now, 0) || !s.idle(now.Add(2*time.Second), 0) {
		t.Error("idle is when the bucket is full again")
	}
	if wait, ok := s.take(now.Add(time.Second), 3*time.Second); ok || wait != 2*time.Second {
		t.Errorf("slow mode: %s %v", wait, ok)
	}
	free := newSpeech(0, now)
	for range 1000 {
		if _, ok := free.take(now, 0); !ok {
			t.Fatal("0 is no limit")
		}
	}
}

// testServer is enough of a gateway for a connection that nobody writes.
func testServer(t *testing.T, queueBytes int) *Server {
	t.Helper()
	s := &Server{cfg: Config{QueueBytes: queueBytes}.withDefaults(), conns: map[*conn]struct{}{}}
	if err := metrics.New(metrics.NewRegistry(""), &s.metrics); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestQueueIsBoundedInBytes(t *testing.T) {
	c := &conn{s: testServer(t, 1000), wake: make(chan struct{}, 1)}
	c.push(make([]byte, 5000)) // one frame always fits
	frames, closing := c.take(nil)
	if len(frames) != 1 || closing {
		t.Fatalf("%d frames", len(frames))
	}
	for range 10 {
		c.push(make([]byte, 100))
	}
	if c.isClosing() {
		t.Fatal("closed within the bound")
	}
	c.push([]byte("x"))
	frames, closing = c.take(nil)
	if !closing || c.code != event.CloseSlow || len(frames) != 0 || c.bytes != 0 {
		t.Errorf("over the bound: %d frames, closing %v with %d", len(frames), closing, c.code)
	}
	c.shut(event.CloseDraining, "", event.LeaveDrained)
	if c.code != event.CloseSlow {
		t.Error("the first close holds")
	}
}

// outcome records what a flight was told.
type outcome struct {
	facts kafkalog.Facts
	err   error
	times int
}

func (o *outcome) done(f kafkalog.Facts, err error) { o.facts, o.err, o.times = f, err, o.times+1 }

func entriesFrom(offset int64, n int) []kafkalog.Entry {
	out := make([]kafkalog.Entry, n)
	for i := range out {
		at := offset + int64(i)
		out[i] = kafkalog.Entry{Record: kafkalog.Record{Offset: at}, Facts: kafkalog.Facts{Seq: uint64(at), FirstKnown: true, FirstSeq: uint64(at)}}
	}
	return out
}

func TestAnAppendLandsWhenAnsweredAndReadBack(t *testing.T) {
	st := newStream(event.Chat, 0, nil)
	var a, b, c outcome
	fa, fb, fc := &flight{done: a.done, at: time.Now()}, &flight{done: b.done, at: time.Now()}, &flight{done: c.done, at: time.Now()}
	for _, f := range []*flight{fa, fb, fc} {
		_ = st.begin(f)
	}
	st.observe(entriesFrom(0, 10)) // others' records, and a's at 4
	st.answered(fb, 12, nil)       // answered before it is read
	if a.times+b.times != 0 {
		t.Fatal("told too early")
	}
	st.answered(fa, 4, nil)
	st.observe(entriesFrom(10, 5))
	st.answered(fc, 0, kafkalog.ErrNotStored)
	if a.facts.Seq != 4 || b.facts.Seq != 12 || a.err != nil || b.err != nil || !errors.Is(c.err, kafkalog.ErrNotStored) {
		t.Errorf("outcomes %+v %+v %+v", a, b, c)
	}
	if st.inFlight() != 0 || len(st.seen) != 0 || len(st.waiting) != 0 {
		t.Error("something is remembered of what has ended")
	}
	if a.times != 1 || b.times != 1 || c.times != 1 {
		t.Error("told more than once")
	}
}

func TestAnAppendWithoutOutcomeIsToldInTime(t *testing.T) {
	st := newStream(event.Chat, 0, nil)
	now := time.Now()
	var old, read, young outcome
	fo, fr := &flight{done: old.done, at: now.Add(-answerWithin)}, &flight{done: read.done, at: now.Add(-answerWithin)}
	fy := &flight{done: young.done, at: now}
	for _, f := range []*flight{fo, fr, fy} {
		_ = st.begin(f)
	}
	st.answered(fr, 7, nil) // durable, but the tail does not come
	st.sweep(now, false)
	if !errors.Is(old.err, kafkalog.ErrOutcomeUnknown) || !errors.Is(read.err, kafkalog.ErrOutcomeUnknown) || young.times != 0 {
		t.Errorf("outcomes %+v %+v %+v", old, read, young)
	}
	st.answered(fo, 3, nil)
	st.observe(entriesFrom(0, 10))
	st.sweep(now, true)
	if old.times != 1 || read.times != 1 || young.times != 1 {
		t.Error("each is told once")
	}
}

func TestNothingIsBegunWithoutATail(t *testing.T) {
	st := newStream(event.Chat, 0, nil)
	var a outcome
	if err := st.begin(&flight{done: a.done, at: time.Now()}); err != nil {
		t.Fatal(err)
	}
	st.sweep(time.Time{}, true)
	if !errors.Is(a.err, kafkalog.ErrOutcomeUnknown) {
		t.Errorf("in flight: %v", a.err)
	}
	err := st.send(&event.SystemMessage{RoomID: "r", Content: "x"}, func(kafkalog.Facts, error) { t.Error("done without a send") })
	if !errors.Is(err, kafkalog.ErrNotStored) {
		t.Errorf("behind the end: %v", err)
	}
}

func TestFactsOfLongAgoAreNotGuessed(t *testing.T) {
	st := newStream(event.Chat, 0, nil)
	var a outcome
	f := &flight{done: a.done, at: time.Now()}
	_ = st.begin(f)
	for i := range 3 {
		st.observe(entriesFrom(int64(i)*maxSeen, maxSeen))
	}
	st.answered(f, 1, nil)
	if !errors.Is(a.err, kafkalog.ErrOutcomeUnknown) || len(st.seen) > maxSeen {
		t.Errorf("outcome %+v, %d remembered", a, len(st.seen))
	}
}

func TestEveryAppendErrorHasItsCode(t *testing.T) {
	for err, want := range map[error]event.ErrorCode{
		kafkalog.ErrNotStored: 120, kafkalog.ErrOutcomeUnknown: 121, kafkalog.ErrTooLarge: 123, kafkalog.ErrQueueFull: 124,
		kafkalog.ErrRefused: 120, kafkalog.ErrClosed: 120, errors.Join(kafkalog.ErrOutcomeUnknown, kafkalog.ErrFenced): 121,
		errors.Join(kafkalog.ErrNotStored, kafkalog.ErrFenced): 120, errors.New("other"): 100, &event.FieldError{Field: "x"}: 107,
	} {
		if got, _ := codeOf(fmt.Errorf("append: %w", err)); got != want {
			t.Errorf("%v: %d, want %d", err, got, want)
		}
	}
}

func token(secret, head, body string) string {
	enc := base64.RawURLEncoding.EncodeToString
	signed := enc([]byte(head)) + "." + enc([]byte(body))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(signed))
	return signed + "." + enc(mac.Sum(nil))
}

func TestTokens(t *testing.T) {
	const secret, head = "0123456789abcdef0123456789abcdef", `{"alg":"HS256"}`
	now := time.Unix(1000, 0)
	good := token(secret, head, `{"sub":"ann","nickname":"Ann","rooms":["r"],"admin":true,"exp":1001}`)
	c, err := verifyToken(good, []byte(secret), now)
	if err != nil || c.Sub != "ann" || c.Nickname != "Ann" || !c.Admin || !c.mayEnter("r") || c.mayEnter("s") {
		t.Errorf("claims %+v, %v", c, err)
	}
	for rooms, want := range map[string]bool{`"*"`: true, `["*"]`: true, `[]`: false, `"r"`: false, `null`: false} {
		if got := (claims{Rooms: json.RawMessage(rooms)}).mayEnter("r"); got != want {
			t.Errorf("rooms %s: %v", rooms, got)
		}
	}
	for name, bad := range map[string]string{
		"empty": "", "not a token": "a.b", "other secret": token("x"+secret, head, `{"sub":"a","exp":1001}`),
		"alg none": token(secret, `{"alg":"none"}`, `{"sub":"a","exp":1001}`), "crit": token(secret, `{"alg":"HS256","crit":["x"]}`, `{"sub":"a","exp":1001}`),
		"expired": token(secret, head, `{"sub":"a","exp":1000}`), "no exp": token(secret, head, `{"sub":"a"}`),
		"too early": token(secret, head, `{"sub":"a","exp":2000,"nbf":1500}`), "cut": good[:len(good)-2], "changed": strings.Replace(good, ".", ".e", 1),
	} {
		if _, err := verifyToken(bad, []byte(secret), now); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestSettings(t *testing.T) {
	if errs := (&Config{Auth: "jwt", JWTSecret: "short"}).Validate(); len(errs) != 1 || !strings.Contains(errs[0].Error(), "GATEWAY_JWT_SECRET") {
		t.Errorf("short secret: %v", errs)
	}
	policy := pagePolicy(chatPage)
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, hashOf(nil, "")) {
		t.Errorf("policy %s", policy)
	}
}
