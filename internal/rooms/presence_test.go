package rooms

import (
	"testing"
	"time"

	"splitsync/internal/kafkalog"
)

// script applies records with keys, values and log times in seconds.
func script(p *Presence, at int64, key, value string) {
	rec := kafkalog.Record{Key: []byte(key), Time: at * 1000}
	if value != "" {
		rec.Value = []byte(value)
	}
	p.apply(rec)
}

func TestCountsHoldLiveIncarnationsOnly(t *testing.T) {
	p := newPresence()
	script(p, 100, "1-0", `{"at_ms":1}`)
	script(p, 100, "1-0|r", `{"count":3}`)
	script(p, 101, "2-0", `{"at_ms":1}`)
	script(p, 101, "2-0|r", `{"count":4}`)
	script(p, 101, "3-0|r", `{"count":99}`) // never showed a heartbeat
	if p.Count("r", "") != 7 || p.Count("r", "1-0") != 4 || p.Counts()["r"] != 7 {
		t.Errorf("counts %v", p.Counts())
	}
	script(p, 90, "2-0", `{"at_ms":1}`) // a clock that lags: log time does not go back
	script(p, 107, "2-0", `{"at_ms":1}`)
	if got := p.Count("r", ""); got != 4 {
		t.Errorf("count %d, want that of the live one", got)
	}
	if ms, ok := p.LastHeartbeat("1-0"); !ok || ms != 100_000 {
		t.Errorf("last heartbeat %d %v", ms, ok)
	}
	script(p, 108, "2-0|r", "")
	script(p, 108, "2-0", "")
	if live := p.Live(); len(live) != 0 || p.Count("r", "") != 0 {
		t.Errorf("live %v after the tombstones", live)
	}
	if _, ok := p.LastHeartbeat("2-0"); ok {
		t.Error("a tombstone leaves no heartbeat")
	}
	script(p, 100+2*3600, "4-0", `{"at_ms":1}`)
	if len(p.alive) != 1 {
		t.Errorf("%d incarnations are remembered for ever", len(p.alive))
	}
}

func TestSilenceIsCountedInOwnProbes(t *testing.T) {
	p := newPresence()
	probe := func(at int64) { script(p, at, p.ProbeKey(), `{"at_ms":1}`) }
	script(p, 100, "1-0", `{"at_ms":1}`)
	probe(101)
	script(p, 102, probePrefix+"another", `{"at_ms":1}`)
	probe(109)
	probe(117)
	if n, span := p.Silence("1-0"); n != 3 || span != 16*time.Second {
		t.Errorf("silence %d over %s", n, span)
	}
	if n, span := p.Silence("unknown"); n != 3 || span != 16*time.Second {
		t.Errorf("silence of one that never spoke: %d over %s", n, span)
	}
	script(p, 118, "1-0", `{"at_ms":1}`)
	if n, _ := p.Silence("1-0"); n != 0 {
		t.Errorf("a heartbeat does not end the silence: %d", n)
	}
}
