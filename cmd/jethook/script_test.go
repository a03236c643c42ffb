package main

import (
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// updateScripts rewrites what the scripts compare with: go test ./cmd/jethook -run TestScripts -update
var updateScripts = flag.Bool("update", false, "rewrite the expected output in testdata/script")

// TestScripts runs the real binary from the scripts in testdata/script. They share one running jethook, which
// receives at $PUBLIC, and an HTTP endpoint at $SINK that takes everything.
func TestScripts(t *testing.T) {
	t.Parallel()
	p := newProcess(t, "JETHOOK_SOURCES=acme,asana")
	p.start(t, "serve")
	sink := newSink(t, func(int) int { return http.StatusOK })
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       *updateScripts,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", filepath.Dir(binary)+string(os.PathListSeparator)+env.Getenv("PATH"))
			env.Setenv("JETHOOK_ADMIN_LISTEN", p.admin)
			env.Setenv("JETHOOK_NATS_LISTEN", p.nats)
			env.Setenv("JETHOOK_ADMIN_TOKEN", "token-for-tests-only")
			env.Setenv("PUBLIC", "http://"+p.public)
			env.Setenv("SINK", sink.url)
			return nil
		},
	})
}
