package config

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the configuration table of README.md")

// The table of README.md is what Markdown returns. After a change to a field:
// go test ./config -run TestREADME -update
func TestREADME(t *testing.T) {
	t.Parallel()
	const path, begin, end = "README.md", "<!-- config:begin -->\n", "<!-- config:end -->"
	readme, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(readme), begin)
	table, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s has no lines %q and %q around its configuration table", path, strings.TrimSpace(begin), end)
	}
	if strings.TrimSpace(table) == strings.TrimSpace(Markdown()) {
		return
	}
	if !*update {
		t.Fatalf("%s is not what the fields of Config say: run go test ./config -run TestREADME -update", path)
	}
	if err := os.WriteFile(path, []byte(before+begin+Markdown()+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestReference(t *testing.T) {
	t.Parallel()
	text := Markdown()
	for _, line := range []string{
		"| `JETHOOK_LISTEN` | `:8080` | public listener: webhooks, /healthz and /readyz |\n",
		"| `JETHOOK_ADMIN_TOKEN` |  | bearer token",
		"| `JETHOOK_SOURCE_<NAME>_SECRET` |  | the secret that verifies its requests",
		"| `JETHOOK_SOURCE_<NAME>_SECRET_2` |  | further ones",
		"| `JETHOOK_SOURCE_<NAME>_SECRET_FILE` |  | a file",
		"| `JETHOOK_ENCRYPTION_KEY_2` |  | further keys",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("no line %q in\n%s", line, text)
		}
	}
	// Of the variables of one kind of secret the value, the second one and the file are told.
	const told, of, kinds = 3, 2 * maxSecrets, 2
	if got, want := len(Reference()), len(settings("", &Config{}))+len(settings("", &Source{}))-kinds*(of-told); got != want {
		t.Errorf("%d variables, want %d", got, want)
	}
}
