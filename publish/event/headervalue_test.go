package event

import (
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestHeaderValue(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                     "",
		"plain, 100% of it\t!": "plain, 100% of it\t!",
		"São Paulo":            "S%C3%A3o Paulo",
		"Łódź%20":              "%C5%81%C3%B3d%C5%BA%20",
		"caf\xe9: ü":           "caf%C3%A9: %C3%BC", // Latin-1 beside UTF-8
		"\xe3\x81":             "%C3%A3%C2%81",      // cut off
		"😀":                    "%F0%9F%98%80",
		"\ufffd":               "%EF%BF%BD",
	} {
		got := HeaderValue(in)
		if got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
		if HeaderValue(got) != got {
			t.Errorf("%q is encoded again", got)
		}
	}
}

// FuzzHeaderValue: whatever comes, what is written is ASCII, and what was UTF-8 without a "%" comes back.
func FuzzHeaderValue(f *testing.F) {
	f.Add("São Paulo")
	f.Add("caf\xe9")
	f.Fuzz(func(t *testing.T, s string) {
		got := HeaderValue(s)
		for i := range len(got) {
			if got[i] >= utf8.RuneSelf {
				t.Fatalf("%q: %q", s, got)
			}
		}
		if strings.Contains(s, "%") {
			return
		}
		decoded, err := url.PathUnescape(got)
		if err != nil || !utf8.ValidString(decoded) || utf8.ValidString(s) && decoded != s {
			t.Fatalf("%q comes back as %q, %v", s, decoded, err)
		}
	})
}
