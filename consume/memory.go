package consume

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

// of returns what is kept for an endpoint; at first, and after it was forgotten, the zero value.
func (m *memory[T]) of(endpoint string) *T {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r, ok := m.kept[endpoint]; ok {
		r.timer.Reset(m.keep)
		return &r.what
	}
	r := &remembered[T]{}
	r.timer = time.AfterFunc(m.keep, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.kept, endpoint)
	})
	if m.kept == nil {
		m.kept = make(map[string]*remembered[T])
	}
	m.kept[endpoint] = r
	return &r.what
}
