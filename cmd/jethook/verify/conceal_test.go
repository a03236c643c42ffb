package verify

import (
	"fmt"
	"strings"
	"testing"
)

func TestShorten(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", strings.Repeat("a", shownFirst+shownLast)} {
		if got := shorten(text); got != text {
			t.Errorf("%d bytes became %q", len(text), got)
		}
	}
	for _, letter := range []string{"a", "é", "x€", "\x80"} {
		text := strings.Repeat(letter, 10_000)
		first, rest, found := strings.Cut(shorten(text), " … ")
		middle, last, also := strings.Cut(rest, " … ")
		var left int
		if n, err := fmt.Sscanf(middle, "%d bytes omitted", &left); n != 1 || err != nil || !found || !also {
			t.Fatalf("%q: %q", letter, shorten(text))
		}
		if len(first)+left+len(last) != len(text) || !strings.HasPrefix(text, first) || !strings.HasSuffix(text, last) || len(first) > shownFirst || len(last) > shownLast {
			t.Errorf("%q: %d, %d and %d of %d bytes", letter, len(first), left, len(last), len(text))
		}
	}
}
