package admin

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Curl returns a command for a POSIX shell that sends the request with this body, byte for byte. The body comes
// over the standard input, since an argument of a program has a limit and one of the shell's printf has none.
func Curl(r *RequestShown, body []byte) string {
	text := string(body)
	source := "printf %s " + shellWord(text)
	if !printable(text) {
		source = "printf %s '" + base64.StdEncoding.EncodeToString(body) + "' | base64 -d"
	}
	lines := []string{source + " | curl --include --globoff --path-as-is --data-binary @-"}
	header := func(text string) { lines = append(lines, "--header "+shellWord(text)) }
	for _, h := range r.Headers {
		switch {
		case h.Name == "Host", h.Name == "Content-Length": // curl sets them to the same
		case h.Value == "":
			header(h.Name + ";") // how curl sends a header without a value
		default:
			header(h.Name + ": " + h.Value)
		}
	}
	// What curl adds by itself.
	for _, name := range []string{"Accept", "Expect", "User-Agent"} {
		if !slices.ContainsFunc(r.Headers, func(h Header) bool { return h.Name == name }) {
			header(name + ":")
		}
	}
	return strings.Join(append(lines, shellWord(r.URL)), " \\\n  ")
}

// printable reports whether text can be pasted into a terminal: a tab would complete, and an escape do worse.
func printable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool {
		return r != '\n' && !unicode.IsPrint(r)
	})
}

// shellWord quotes text for a POSIX shell. What is not printable it has printf write; a newline at the end of
// that would be lost, but no header can hold one.
func shellWord(text string) string {
	if printable(text) {
		return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
	}
	var b strings.Builder
	for i := range len(text) {
		switch c := text[i]; {
		case c >= '0' && c <= '9', c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', strings.IndexByte(" .,:;/=_-", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, `\%03o`, c)
		}
	}
	return `"$(printf '` + b.String() + `')"`
}
