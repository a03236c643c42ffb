package dedup

import (
	"sync"
	"time"
)

// memory keeps something for each endpoint for as long as it is used every now and then.
type memory[T any] struct {
	keep time.Duration

	mu   sync.Mutex // guards kept
	kept map[string]*remembered[T]
}

type remembered[T any] struct {
	what  T
	timer *time.Timer
}

// of returns what is kept for an endpoint, and keeps it for longer; at first, and after it was forgotten, it is the zero
// value.
func (m *memory[T]) of(endpoint string) *T { return m.open(endpoint, true) }

// glance is of for who does not want it kept for longer.
func (m *memory[T]) glance(endpoint string) *T { return m.open(endpoint, false) }

func (m *memory[T]) open(endpoint string, longer bool) *T {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r, ok := m.kept[endpoint]; ok {
		if longer {
			r.timer.Reset(m.keep)
		}
		return &r.what
	}
	r := &remembered[T]{}
	r.timer = time.AfterFunc(m.keep, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.kept[endpoint] == r {
			delete(m.kept, endpoint)
		}
	})
	if m.kept == nil {
		m.kept = make(map[string]*remembered[T])
	}
	m.kept[endpoint] = r
	return &r.what
}
