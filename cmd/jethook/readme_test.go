package main

import (
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"jethook/config"
)

// Every jethook command in the README exists, with its flags and as many arguments as it takes.
func TestREADMECommands(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(readme), "\\\n", " ")
	var lines []string
	fenced := false
	for line := range strings.Lines(text) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "$ ")
		line = strings.Replace(line, "go run ./cmd/jethook", "jethook", 1)
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
		} else if command, found := strings.CutPrefix(line, "jethook "); found && fenced {
			lines = append(lines, command)
		}
	}
	if len(lines) < 30 {
		t.Fatalf("only %d commands found", len(lines))
	}
	for _, line := range lines {
		root := newRoot(io.Discard, io.Discard)
		cmd, rest, err := root.Find(words(line))
		if err != nil || cmd == root || cmd.HasSubCommands() {
			t.Errorf("%s: no such command: %v", line, err)
			continue
		}
		cmd.Flags().SetInterspersed(true)
		if err := cmd.ParseFlags(rest); err != nil && err != pflag.ErrHelp {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if cmd.Args != nil {
			if err := cmd.Args(cmd, cmd.Flags().Args()); err != nil {
				t.Errorf("%s: %v", line, err)
			}
		}
	}
	for _, want := range []string{"go run ./cmd/jethook demo", "go test ./..."} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("it does not say %q", want)
		}
	}
}

// Every variable that the README, the image and the compose file speak of exists: one that does not stops the start.
func TestNamedVariables(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, name := range regexp.MustCompile("`JETHOOK_([A-Z_]+|SOURCE_<NAME>_[A-Z]+_?[A-Z]*)`").FindAllString(config.Markdown(), -1) {
		known[strings.Trim(name, "`")] = true
	}
	ofSource := regexp.MustCompile(`^JETHOOK_SOURCE_[A-Z]+_`)
	for _, path := range []string{"../../README.md", "../../Dockerfile", "../../compose.yaml"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, name := range regexp.MustCompile(`JETHOOK_[A-Z_]+`).FindAllString(string(text), -1) {
			if strings.HasSuffix(name, "_") { // what several begin with
				continue
			}
			found++
			if !known[name] && !known[ofSource.ReplaceAllString(name, "JETHOOK_SOURCE_<NAME>_")] {
				t.Errorf("%s: there is no %s", path, name)
			}
		}
		if found == 0 {
			t.Errorf("%s names no variable", path)
		}
	}
}

// words splits a line as a shell does, as far as the README goes, and leaves out comments and redirections.
func words(line string) (out []string) {
	for _, w := range regexp.MustCompile(`'[^']*'|[^\s']+`).FindAllString(line, -1) {
		if w == "#" || w == ">" {
			break
		}
		out = append(out, strings.Trim(w, "'"))
	}
	return out
}
