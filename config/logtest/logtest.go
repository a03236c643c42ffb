// Package logtest has the log of tests that read it while what they test goes on writing.
package logtest

import (
	"bytes"
	"strings"
	"sync"
)

// Buffer is a log in memory. The zero value is an empty one.
type Buffer struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

// Write adds to the log.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// String is all that was written so far.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// Count is how often a text was written so far.
func (b *Buffer) Count(text string) int { return strings.Count(b.String(), text) }
