//go:build unix

package main

import "testing"

func TestUsage(t *testing.T) {
	for _, args := range [][]string{nil, {"--"}, {"go", "test"}} {
		if code, err := run(t.Context(), args); code != 2 || err == nil {
			t.Errorf("%q: code %d, %v; want 2 and the usage", args, code, err)
		}
	}
}
