// Package flight is what one process has in the air: the attempts that it makes, and what it stores of them.
//
// It ends in two steps, so that a stop loses nothing: first no attempt may begin any more, and then, after a while, those that
// still run are cut off. What is stored goes on until it is stored, or until it is known to come again. The package makes no
// attempt and stores nothing; it tells those who do how long they may.
package flight

import (
	"context"
	"sync"
	"time"
)

// brief is how long something may take that nobody waits for.
const brief = 5 * time.Second

// Flight is that of one process. It is safe for concurrent use.
type Flight struct {
	ctx     context.Context
	cutOff  context.CancelFunc
	stop    chan struct{}
	pending sync.WaitGroup
}

// New returns a flight that has not been stopped.
func New() *Flight {
	ctx, cutOff := context.WithCancel(context.Background())
	return &Flight{ctx: ctx, cutOff: cutOff, stop: make(chan struct{})}
}

// Context is that of the attempts. It ends when they are cut off.
func (f *Flight) Context() context.Context { return f.ctx }

// Stop lets no attempt begin any more. It is called once.
func (f *Flight) Stop() { close(f.stop) }

// Stopped is closed when no attempt may begin any more.
func (f *Flight) Stopped() <-chan struct{} { return f.stop }

// IsStopping reports whether no attempt may begin any more.
func (f *Flight) IsStopping() bool {
	select {
	case <-f.stop:
		return true
	default:
		return false
	}
}

// CutOff ends the attempts that still run. It may be called more than once.
func (f *Flight) CutOff() { f.cutOff() }

// Go does what must end before the process does.
func (f *Flight) Go(do func()) { f.pending.Go(do) }

// Pending counts what must end before the process does.
func (f *Flight) Pending() *sync.WaitGroup { return &f.pending }

// Wait returns when all that must end has.
func (f *Flight) Wait() { f.pending.Wait() }

// Briefly returns a context for what is to be stored soon or not at all, also after the attempts were cut off.
func (f *Flight) Briefly() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(f.ctx), brief)
}
