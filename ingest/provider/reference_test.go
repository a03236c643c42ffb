package provider

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the table of senders of README.md")

// The table of README.md is what Markdown returns. After a change to a row:
// go test ./ingest/provider -run TestREADME -update
func TestREADME(t *testing.T) {
	t.Parallel()
	const path, begin, end = "README.md", "<!-- senders:begin -->\n", "<!-- senders:end -->"
	readme, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(readme), begin)
	list, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s has no lines %q and %q around its table of senders", path, strings.TrimSpace(begin), end)
	}
	if list == Markdown() {
		return
	}
	if !*update {
		t.Fatalf("%s is not what the table says: run go test ./ingest/provider -run TestREADME -update", path)
	}
	if err := os.WriteFile(path, []byte(before+begin+Markdown()+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
