package ingest

import (
	"context"
	"errors"
	"testing"

	"splitsync/internal/testkit"
)

// A process that is told to stop while it starts ends with an error, not with a panic.
func TestRunThatIsStoppedWhileItStarts(t *testing.T) {
	f := newFixture(t, 1)
	s, err := New(t.Context(), Config{}, Deps{Log: f.log, History: f.store}, testkit.Log(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
