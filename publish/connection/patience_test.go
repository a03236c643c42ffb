package connection

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// Patience with a limit ends, and its error says what it waited for, for how long and why.
func TestPatienceEnds(t *testing.T) {
	t.Parallel()
	why := errors.New("two of three servers are missing")
	p := NewBoundedPatience(slog.New(slog.DiscardHandler), time.Millisecond)
	err := p.Await(t.Context(), "stream EVENTS", func(context.Context) error { return errors.Join(ErrNotYet, why) })
	if !errors.Is(err, ErrNoPatience) || !errors.Is(err, why) || !strings.Contains(err.Error(), "stream EVENTS: gave up after 1ms") {
		t.Errorf("got %v", err)
	}
}
