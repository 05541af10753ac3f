package devstack

import (
	"strings"
	"testing"
)

func TestFetchNeedsRoom(t *testing.T) {
	if err := checkRoom("/cache", fetchDiskNeed); err != nil {
		t.Error(err)
	}
	err := checkRoom("/cache", 100<<20)
	if err == nil || !strings.Contains(err.Error(), "/cache has 100 MB free and 3072 MB are needed") {
		t.Errorf("%v", err)
	}
}
