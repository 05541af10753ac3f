package syncapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"splitsync/event"
	"splitsync/internal/config"
	"splitsync/internal/history"
	"splitsync/internal/kafkalog"
	"splitsync/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

const apiKey = "test-key"

// fixture is a running sync API on a log and a history of its own. Every answer that it gets is held against the document.
type fixture struct {
	t     *testing.T
	log   *kafkalog.Log
	store *history.Store
	http  *httptest.Server
	hc    *http.Client
	spec  *spec
	s     *Server

	kafka      kafkalog.Config
	clickhouse history.Config
}

func start(t *testing.T, change func(*Config)) *fixture {
	t.Helper()
	return startOn(t, testkit.Kafka(t), change)
}

// startOn uses the broker at an address.
func startOn(t *testing.T, broker string, change func(*Config)) *fixture {
	t.Helper()
	f := &fixture{t: t, spec: loadSpec(t), hc: &http.Client{Transport: &http.Transport{DisableCompression: true}}}
	f.kafka = kafkalog.Config{Brokers: []string{broker}, TopicPrefix: testkit.Prefix(t), Partitions: 2, ReplicationFactor: 1, RetentionHours: 168}
	var err error
	f.log, err = kafkalog.Open(t.Context(), f.kafka, testkit.Log(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.log.Close() })
	if err := f.log.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	addr, database := testkit.ClickHouse(t)
	f.clickhouse = history.Config{Addr: []string{addr}, Database: database, Username: "default"}
	f.store, err = history.Open(t.Context(), f.clickhouse, testkit.Log(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.store.Close() })
	if err := f.store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	cfg := Config{Web: config.Web{AdminAPIKeys: []string{apiKey}}}
	if change != nil {
		change(&cfg)
	}
	f.s, err = New(t.Context(), cfg, Deps{Log: f.log, History: f.store}, testkit.Log(t))
	if err != nil {
		t.Fatal(err)
	}
	r := chi.NewRouter()
	f.s.Routes(r)
	f.http = httptest.NewServer(r)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.s.Run(ctx) }()
	t.Cleanup(func() {
		f.http.Close()
		f.hc.CloseIdleConnections()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return f
}

// do asks with the key, unless header has one, and holds the answer against the document.
func (f *fixture) do(method, path string, header ...string) (*http.Response, []byte) {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), method, f.http.URL+path, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	req.Header.Set("X-Api-Key", apiKey)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := f.hc.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	if resp.Header.Get("Content-Encoding") == "" {
		f.spec.check(f.t, req, resp, body)
	}
	return resp, body
}

// get asks for path, demands 200, and reads the JSON into v.
func (f *fixture) get(path string, v any) http.Header {
	f.t.Helper()
	resp, body := f.do("GET", path)
	if resp.StatusCode != 200 {
		f.t.Fatalf("GET %s: %d %s", path, resp.StatusCode, body)
	}
	if err := json.Unmarshal(body, v); err != nil {
		f.t.Fatalf("GET %s: %v", path, err)
	}
	return resp.Header
}

// insert stores a block through the only way in.
func (f *fixture) insert(b *history.Block) {
	f.t.Helper()
	if err := f.store.Insert(f.t.Context(), b); err != nil {
		f.t.Fatal(err)
	}
}

// commit stores how far ingest is, as ingest does.
func (f *fixture) commit(topic event.Topic, partition int, offset int64) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), 30*time.Second)
	defer cancel()
	err := f.log.Consume(ctx, ingestGroup, []event.Topic{topic}, func(ctx context.Context, g *kafkalog.Generation) error {
		defer cancel()
		return g.Commit(ctx, kafkalog.Commit{Topic: topic, Partition: partition, Offset: offset})
	})
	if err != nil {
		f.t.Fatal(err)
	}
}

// append writes n messages to the log and returns the last offset.
func (f *fixture) append(room string, n int) (last int64) {
	f.t.Helper()
	p, err := f.log.NewProducer(f.t.Context(), event.Chat)
	if err != nil {
		f.t.Fatal(err)
	}
	for i := range n {
		out, err := kafkalog.Encode(&event.Message{RoomID: room, UserID: "u", Nickname: "u", Content: fmt.Sprint(i)}, time.Now().UnixMilli())
		if err != nil {
			f.t.Fatal(err)
		}
		if last, err = p.Append(f.t.Context(), f.log.PartitionOf(room), out); err != nil {
			f.t.Fatal(err)
		}
	}
	if err := p.Close(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
	return last
}

// epoch is what seqs of the tests begin with.
const epoch = uint64(1) << 48

// noon is when the tests' history begins, in Unix milliseconds.
var noon = time.Date(2026, 3, 1, 11, 50, 0, 0, time.UTC).UnixMilli() //nolint:gochecknoglobals // a constant in all but name

// room is the row of a room's creation.
func roomRow(id string, offset uint64) history.RoomRow {
	return history.RoomRow{RoomID: id, Aspect: history.AspectCreated, Seq: epoch | offset, At: noon, RoomName: "Room " + id, AdminUserIDs: []string{"ann"}}
}

// messages makes n messages of a room, step milliseconds apart, with every tenth of another kind, and holes in the offsets.
func messages(room string, n int, step int64) []history.MessageRow {
	random := rand.New(rand.NewPCG(1, uint64(n)))
	rows, offset, at := make([]history.MessageRow, n), uint64(10), noon
	for i := range rows {
		offset += 1 + random.Uint64N(3)
		at += random.Int64N(step + 1)
		rows[i] = history.MessageRow{
			RoomID: room, CreatedAt: at, Seq: epoch | offset, MessageID: id(at, offset), Kind: string(event.KindMessage), Offset: offset,
			UserID: fmt.Sprint("u", i%7), Nickname: fmt.Sprint("nick ", i%7), Content: fmt.Sprintf("text %d \n<&>\x00 ü", i), IsAdmin: i%5 == 0,
		}
		if i%3 == 0 {
			rows[i].ClientMsgID, rows[i].ClientTS = fmt.Sprint("c", i), at-50
		}
		if i%10 == 9 {
			rows[i].Kind, rows[i].UserID, rows[i].Nickname = string(event.KindSystemMessage), "", ""
		}
	}
	return rows
}

func id(at int64, offset uint64) uuid.UUID {
	return uuid.NewSHA1(uuid.NameSpaceOID, fmt.Appendf(nil, "%d/%d", at, offset))
}

// record is what the API has to show of a row.
func record(r history.MessageRow) event.ChatRecord {
	out := event.ChatRecord{UserID: r.UserID, Nickname: r.Nickname, Content: r.Content, CreatedAt: r.CreatedAt / 1000, CreatedAtMS: r.CreatedAt,
		MessageID: r.MessageID.String(), Seq: r.Seq, IsAdmin: r.IsAdmin, ClientMsgID: r.ClientMsgID, ClientTS: r.ClientTS}
	if r.Kind != string(event.KindMessage) {
		out.Kind = event.Kind(r.Kind)
	}
	return out
}
