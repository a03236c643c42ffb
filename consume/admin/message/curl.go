package message

import (
	"encoding/base64"
	"slices"
	"strings"

	"jethook/consume/admin/shell"
)

// Curl returns a command for a POSIX shell that sends the request with this body, byte for byte. The body comes
// over the standard input, since an argument of a program has a limit and one of the shell's printf has none.
func Curl(r *RequestShown, body []byte) string {
	text := string(body)
	source := "printf %s " + shell.Word(text)
	if !shell.Printable(text) {
		source = "printf %s '" + base64.StdEncoding.EncodeToString(body) + "' | base64 -d"
	}
	lines := []string{source + " | curl --include --globoff --path-as-is --data-binary @-"}
	header := func(text string) { lines = append(lines, "--header "+shell.Word(text)) }
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
	return strings.Join(append(lines, shell.Word(r.URL)), " \\\n  ")
}
