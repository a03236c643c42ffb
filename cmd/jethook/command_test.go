package main

import (
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// withoutJSON are the commands that have no --json, and why.
var withoutJSON = map[string]string{
	"jethook serve":   "runs until it is stopped, and logs",
	"jethook ingest":  "runs until it is stopped, and logs",
	"jethook consume": "runs until it is stopped, and logs",
	"jethook demo":    "is a show for people",
	"jethook health":  "answers with its exit code alone",

	"jethook monitoring grafana":     "prints a file for Grafana, which is JSON",
	"jethook monitoring alerts":      "prints a file for Prometheus, which reads YAML",
	"jethook deploy kubernetes":      "prints manifests, which are YAML",
	"jethook deploy compose-cluster": "prints a compose file, which is YAML",
	"jethook deploy systemd":         "prints a unit",
	"jethook backup":                 "writes a file, and says in a line what is in it",
	"jethook restore":                "reads a file, and says in a line what was in it",
	"jethook move":                   "runs until all is moved, and says how far it is",
	"jethook completion bash":        "prints a script",
	"jethook completion fish":        "prints a script",
	"jethook completion powershell":  "prints a script",
	"jethook completion zsh":         "prints a script",
}

// Every command says what it does, shows how, refuses what it does not know, and answers machines.
func TestEveryCommand(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, cmd := range leaves(newRoot(io.Discard, io.Discard)) {
		path := cmd.CommandPath()
		if seen[path] = true; cmd.Hidden { // jethook runs it by itself
			continue
		}
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: Short is %q, want a phrase without a full stop", path, cmd.Short)
		}
		if !strings.Contains(cmd.Example, path) {
			t.Errorf("%s: no Example that shows it", path)
		}
		for line := range strings.Lines(cmd.Example) {
			if !strings.HasPrefix(line, "  ") {
				t.Errorf("%s: the example's line %q is not indented by two spaces", path, line)
			}
		}
		reason, excepted := withoutJSON[path]
		if hasJSON := cmd.Flag("json") != nil; hasJSON == excepted {
			t.Errorf("%s: has --json: %v; withoutJSON says %q", path, hasJSON, reason)
		}
		args := strings.Fields(path)[1:]
		for _, wrong := range [][]string{{"--no-such-flag"}, {"1", "2", "3", "4"}} {
			if cmd.Args == nil && wrong[0] != "--no-such-flag" {
				continue // it takes any number
			}
			r := jethook(t, append(args, wrong...)...)
			if r.code != exitUsage || r.stdout != "" || !strings.Contains(r.stderr, "See '"+path+" --help'.") {
				t.Errorf("%s %v: %+v", path, wrong, r)
			}
		}
		if r := jethook(t, append(args, "--help")...); r.code != exitOK || !strings.Contains(r.stdout, "Examples:") {
			t.Errorf("%s --help: %+v", path, r)
		}
	}
	for path := range withoutJSON {
		if !seen[path] {
			t.Errorf("there is no %s", path)
		}
	}
}

// A group without a command is wrong usage, and lists its commands in its help.
func TestEveryGroup(t *testing.T) {
	t.Parallel()
	for _, group := range newRoot(io.Discard, io.Discard).Commands() {
		if !group.HasSubCommands() {
			continue
		}
		for _, args := range [][]string{{group.Name()}, {group.Name(), "no-such-command"}} {
			if r := jethook(t, args...); r.code != exitUsage {
				t.Errorf("%v: %+v", args, r)
			}
		}
	}
}

// leaves are the commands that do something themselves.
func leaves(cmd *cobra.Command) (all []*cobra.Command) {
	if !cmd.HasSubCommands() {
		return []*cobra.Command{cmd}
	}
	for _, sub := range cmd.Commands() {
		all = append(all, leaves(sub)...)
	}
	return all
}
