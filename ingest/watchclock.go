package ingest

import (
	"errors"
	"time"

	"jethook/ingest/provider"
	"jethook/ingest/source"
)

// watchClock notes that r was refused because of cause.
func (s *Server) watchClock(src *reception, r *provider.Request, now time.Time, cause error) {
	ahead, news := src.clock.Refused(now, src.clockOff(r, now, cause))
	if !news {
		return
	}
	side := "ahead of"
	if ahead < 0 {
		side = "behind"
	}
	s.log.Warn("most requests of a source are refused for their timestamp: a clock is wrong, or requests are delayed",
		"source", src.Name, "clock", "the sender's clock is about "+ahead.Abs().String()+" "+side+" this machine's",
		"remedy", "correct the clock, or raise "+source.Variable(src.Name, "TOLERANCE")+" to at most "+maxTolerance)
}

// maxTolerance is what config takes.
const maxTolerance = "1h"

// clockOff is how far ahead the clock was of whoever sent r, if its time is all that is wrong. What a stranger says of his
// time counts for nothing.
func (src *reception) clockOff(r *provider.Request, now time.Time, cause error) time.Duration {
	if !errors.Is(cause, provider.ErrTooOld) && !errors.Is(cause, provider.ErrTooNew) {
		return 0
	}
	signed, found := src.Sender.SignedAt(r)
	if !found || src.Receiver().Verifier.Verify(r, signed) != nil {
		return 0
	}
	return signed.Sub(now)
}
