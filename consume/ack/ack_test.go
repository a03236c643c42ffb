package ack

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// message says what became of it.
type message struct {
	mu       sync.Mutex
	restored uint64
	cut      bool
	became   string
}

func (m *message) Link() (uint64, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.restored, !m.cut
}

func (m *message) Settle()   { m.set("settled") }
func (m *message) GiveBack() { m.set("given back") }

func (m *message) set(what string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.became += what
}

func (m *message) is(t *testing.T, want string) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.became != want {
		t.Errorf("it is %q, want %q", m.became, want)
	}
}

// A message rests, and those after it for as long; what rests when the process stops is acknowledged at once.
func TestSettle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(time.Second)
		ctx, stop := context.WithCancel(t.Context())
		go q.Run(ctx) //nolint:errcheck // it returns none
		var first, second, last message
		q.Settle(&first)
		time.Sleep(700 * time.Millisecond)
		q.Settle(&second)
		synctest.Wait()
		first.is(t, "")
		time.Sleep(301 * time.Millisecond)
		synctest.Wait()
		first.is(t, "settled")
		second.is(t, "")
		time.Sleep(time.Second)
		synctest.Wait()
		second.is(t, "settled")
		q.Settle(&last)
		stop()
		synctest.Wait()
		last.is(t, "settled")
		var late message
		q.Settle(&late)
		late.is(t, "settled")
	})
}

// What rests while the connection is lost comes again: the server may have been killed, and the outcome with it.
func TestAnAcknowledgementDoesNotOutliveItsServer(t *testing.T) {
	t.Parallel()
	for name, happens := range map[string]func(*message){
		"restored": func(m *message) { m.restored++ },
		"cut":      func(m *message) { m.cut = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := NewQueue(time.Second)
				ctx, stop := context.WithCancel(t.Context())
				go q.Run(ctx) //nolint:errcheck // it returns none
				var m message
				q.Settle(&m)
				m.mu.Lock()
				happens(&m)
				m.mu.Unlock()
				time.Sleep(2 * time.Second)
				synctest.Wait()
				m.is(t, "given back")
				stop()
			})
		})
	}
}

// Where the history is written before it is acknowledged, no message rests.
func TestSettleAtOnce(t *testing.T) {
	t.Parallel()
	var m message
	NewQueue(0).Settle(&m)
	m.is(t, "settled")
}
