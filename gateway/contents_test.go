package gateway_test

import (
	"math/rand/v2"
	"strings"
	"unicode/utf8"
)

// contents returns texts that something on the way could change, and random ones.
func contents() []string {
	out := []string{
		"a", "\x00", "\n", "line\nline\r\n", "\"\\/\b\f\t", "<script>&amp;</script>", "\u2028\u2029\ufeff", "\u200d\u202e", "🙂👩‍👩‍👧‍👦", "e\u0301 é",
		string(utf8.RuneError), "\U0010ffff", "null", `{"type":"Error"}`, strings.Repeat("é", 32768), strings.Repeat("\x01", 65536),
		strings.Repeat("\n", 1000), "  lead and trail  ",
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		var b strings.Builder
		for range 1 + random.IntN(200) {
			r := rune(random.IntN(0x110000))
			if !utf8.ValidRune(r) {
				continue
			}
			b.WriteRune(r)
		}
		b.WriteByte('.')
		out = append(out, b.String())
	}
	return out
}
