package journal

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// samples are one record of each type, with every field set.
func samples() map[Type]Record {
	c := Closed{ID: "chat:1:3:lobby:1042", Room: "lobby", Cut: 77, First: 1042, Last: 2041}
	return map[Type]Record{
		TypeCut: &Cut{
			Stream: "chat", ID: c.ID, Room: "lobby", First: 1042, Last: 2041, Records: 900,
			Hours: map[string]int64{"2026-11-23T21": 890, "2026-11-23T22": 10}, Body: 1, Case: "snake", IsLastBatch: true, AtMS: 1795469000123,
		},
		TypeSplit:        &Split{Stream: "chat", ID: c.ID, Room: "lobby", Cut: 77, At: 1500},
		TypeDone:         &Done{Stream: "chat", Deliveries: []Closed{c, {ID: "chat:1:3:attic:7", Room: "attic", Cut: 78, First: 7, Last: 9}}},
		TypeDeadLettered: &DeadLettered{Stream: "chat", Closed: c, Chunks: 2, Reason: "payload: status 400", Attempts: 4},
		TypeLost:         &Lost{Stream: "chat", From: 1000, To: 1100, AtMS: 1795469000123},
	}
}

func TestRecordsStayReadable(t *testing.T) {
	for typ, want := range samples() {
		t.Run(string(typ), func(t *testing.T) {
			b, err := Encode(want)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", string(typ)+".json")
			if *update {
				if err := os.WriteFile(path, append(b, '\n'), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			golden, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if string(golden) != string(b)+"\n" {
				t.Errorf("encoded %s, the golden file has %s", b, golden)
			}
			got, err := Decode(golden)
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("decoded %+v, %v", got, err)
			}
		})
	}
}

func TestDecodeTellsNewerRecordsFromBrokenOnes(t *testing.T) {
	for _, c := range []struct {
		value   string
		unknown bool
	}{
		{`{"v":2,"type":"cut"}`, true},
		{`{"v":1,"type":"merged"}`, true},
		{`{"v":1,"type":"cut","first_offset":"x"}`, false},
		{`no`, false},
	} {
		_, err := Decode([]byte(c.value))
		if err == nil || errors.Is(err, ErrUnknown) != c.unknown {
			t.Errorf("%s: %v", c.value, err)
		}
	}
}

func TestIDsAreReadBack(t *testing.T) {
	for _, want := range []ID{
		{"chat", 1, 0, "lobby", 0, ""},
		{"chat", 31, 11, "a.b-c_d~e", 1 << 47, ""},
		{"sessions", 2, 3, "1.2", 55, ".0.1"},
		{"room_events", 1, 3, "x", 9, "1s"},
	} {
		if got, err := ParseID(want.String()); err != nil || got != want {
			t.Errorf("%s: %+v, %v", want, got, err)
		}
	}
	for _, bad := range []string{"", "chat", "chat:1:2:room", "chat:x:2:room:3", "chat:1:2::3", "chat:1:2:room:-x"} {
		if _, err := ParseID(bad); err == nil {
			t.Errorf("%q is taken for an id", bad)
		}
	}
}
