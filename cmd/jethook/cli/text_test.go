package cli

import (
	"testing"
)

func TestPrintable(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a\r\n\tb\\n": `a␍␊␉b\n`, "\x00\x1b[31m\x7f": "␀␛[31m␡", "é\xff": `é\xff`, "\u202eabc": `\u{202e}abc`, "": "",
	} {
		if got := Printable(text); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
}
