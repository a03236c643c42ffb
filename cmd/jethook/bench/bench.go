// Package bench measures a Jethook and, in the same run, the least that the same work can cost on the same
// machine: a bare handler that verifies and stores nothing, and a bare client that posts and records nothing.
// The ratio of the two says more than either figure, since it moves less with the machine.
//
// The Jethook is one of its own, a child process on a store in a temporary folder, or one that runs already.
// Load generator, receiver and Jethook share the machine's cores unless the Jethook runs elsewhere, so the
// figures are those of all of them together.
package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
)

// ErrInterrupted means that the run was ended before its end.
var ErrInterrupted = errors.New("interrupted")

// Load is what a bench is asked to measure: [IngestOptions] or [DeliverOptions].
type Load interface {
	// Check returns what is wrong with the options, all of it.
	Check() error
	// Run measures. A report may come with an error that says what of it is bad.
	Run(ctx context.Context, t Tools) (Report, error)
}

// Report is what a run measured. It can be encoded as JSON.
type Report interface {
	// Write writes the report as tables, whose cells end with tabs: what can be compared between machines first.
	Write(w io.Writer)
}

// Tools are what the commands lend to a run.
type Tools struct {
	Version  string
	Progress io.Writer // one line that is rewritten if it is a terminal; nil: none
}

// Machine says what a figure was measured on.
type Machine struct {
	Version    string `json:"version"`
	OS         string `json:"os"`
	Arch       string `json:"arch"`
	CPUs       int    `json:"cpus"`
	GOMAXPROCS int    `json:"gomaxprocs"`
}

func (t *Tools) machine() Machine {
	return Machine{t.Version, runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.GOMAXPROCS(0)}
}

// token returns a word that no other run has.
func token() string { return strings.ToLower(rand.Text()) }

// smallestBody is what the frame of a payload takes.
const smallestBody = 64

// payload returns a JSON object of exactly size bytes.
func payload(size int) []byte {
	const head, tail = `{"type":"bench.load","data":"`, `"}`
	return []byte(head + strings.Repeat("x", size-len(head)-len(tail)) + tail)
}

// problems collects what is wrong with options.
type problems []error

func (p *problems) unless(ok bool, format string, a ...any) {
	if !ok {
		*p = append(*p, fmt.Errorf(format, a...))
	}
}

func (p *problems) checkBody(size int64) {
	p.unless(size >= smallestBody && size <= 64<<20, "--body is %d bytes: write %d bytes to 64MiB", size, smallestBody)
}

// ended turns what went wrong because the run was stopped into the one thing that is true of it.
func ended(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil || errors.Is(err, ErrInterrupted) {
		return err
	}
	return ErrInterrupted
}
