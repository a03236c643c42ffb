package consume

import (
	"context"
	"time"
)

// CountMissed counts what retention took from cursors, as the engine does now and then.
func (e *Engine) CountMissed(ctx context.Context) error { return e.missed.CountAll(ctx) }

// ShortenRests lets messages rest for a moment only before they are acknowledged, and endpoints that have caught up join soon.
// Servers of these tests are stopped and cut off, but not killed: they write all that they have taken. It is called before
// Run.
func (e *Engine) ShortenRests() {
	e.acks, e.orderedAcks = newAcks(e.bus, 2*time.Millisecond), newAcks(e.bus, 2*time.Millisecond)
	e.followers.Calm /= 5
}
