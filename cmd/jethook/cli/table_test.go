package cli

import (
	"bytes"
	"fmt"
	"testing"
)

func TestRowKeepsControlCharactersFromTheTerminal(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	Row(&b, "a\x1b[31mred", "tab\tnew\nline", fmt.Sprint(7), "é ✓ \u202e\u009b")
	if want := "a?[31mred\ttab?new?line\t7\té ✓ ??\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}
