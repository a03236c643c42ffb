package intake

import (
	"context"
	"log/slog"
	"time"

	"jethook/consume/held"
	"jethook/publish/outage"
)

// Records are what messages are decided about by: those of cursors, as this process has heard of them.
type Records struct {
	sync  func(context.Context) error // makes them current
	stale outage.Outage
}

// NewRecords returns records that sync makes current.
func NewRecords(sync func(context.Context) error) *Records {
	return &Records{sync: sync, stale: outage.Outage{
		Fails: "cannot read cursor records; events wait",
		Works: "reading cursor records again",
	}}
}

// currency is how current the records are for the messages of one consumer.
type currency struct {
	of    *Records // nil: there are none
	log   *slog.Logger
	since time.Time // when they were last begun to be made current
}

func (r *Records) forOne(set *held.Set) *currency { return &currency{of: r, log: set.Log} }

// catchUp returns when the records are as current as the message, however often that takes; ctx's error when it ends.
func (c *currency) catchUp(ctx context.Context, m *held.Message) error {
	for c.of != nil && !m.Came.Before(c.since) && ctx.Err() == nil {
		now := time.Now()
		err := c.of.sync(ctx)
		if err == nil {
			c.since = now
			c.of.stale.Tell(c.log, nil)
			break
		}
		c.of.stale.Tell(c.log, err)
		select {
		case <-time.After(retryFetch):
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}
