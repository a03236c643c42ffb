package main

import (
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// updateScripts rewrites what the scripts compare with: go test ./cmd/jethook -run TestScripts -update
var updateScripts = flag.Bool("update", false, "rewrite the expected output in testdata/script")

// TestScripts runs the real binary from the scripts in testdata/script. They share one running jethook, which
// receives at $PUBLIC, and an HTTP endpoint at $SINK that takes everything.
func TestScripts(t *testing.T) {
	t.Parallel()
	tokens := filepath.Join(t.TempDir(), "tokens") // token.txtar alone adds to it
	if err := os.WriteFile(tokens, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p := newProcess(t, "JETHOOK_SOURCES=acme,asana", "JETHOOK_ADMIN_TOKENS_FILE="+tokens)
	p.start(t, "serve")
	sink := newSink(t, func(int) int { return http.StatusOK })
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       *updateScripts,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"await": await},
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", filepath.Dir(binary)+string(os.PathListSeparator)+env.Getenv("PATH"))
			env.Setenv("JETHOOK_ADMIN_LISTEN", p.admin)
			env.Setenv("JETHOOK_NATS_LISTEN", p.nats)
			env.Setenv("JETHOOK_ADMIN_TOKEN", "token-for-tests-only")
			env.Setenv("PUBLIC", "http://"+p.public)
			env.Setenv("SINK", sink.url)
			env.Setenv("TOKENS_FILE", tokens)
			return nil
		},
	})
}

// await PATTERN COMMAND... runs a command until it succeeds and prints what the regular expression matches. What it printed last
// can be compared by stdout.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: await PATTERN COMMAND...")
	}
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); {
		if ts.Exec(args[1], args[2:]...) == nil && pattern.MatchString(ts.ReadFile("stdout")) {
			return
		}
	}
	ts.Fatalf("%q never printed %q", args[1:], args[0])
}
