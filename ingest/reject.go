package ingest

import (
	"context"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/time/rate"

	"jethook/ingest/body"
	"jethook/ingest/provider"
	"jethook/ingest/source"
	"jethook/publish/quarantine"
	"jethook/publish/trace"
)

// Rejecter keeps requests that did not verify; *publish.Bus is one.
type Rejecter interface {
	// Reject keeps r, without waiting, and tells done once it is kept or why it is not.
	Reject(r *quarantine.Request, done func(error))
}

// What is kept of rejected requests, which anyone can send. A sender with the wrong secret seldom sends more; what
// is beyond it is refused like the rest, but not kept.
const (
	rejectedPerSecond = 10 // of one source
	rejectedBurst     = 100
	rejectedBytes     = 2 << 20 // of whole bodies in a second, all sources together
)

// newRejectedBytes limits the bytes of bodies that are kept whole, of all sources together. A body of the largest size can
// be.
func newRejectedBytes(maxBody int64) *rate.Limiter {
	return rate.NewLimiter(rejectedBytes, int(maxBody+rejectedBytes))
}

// shareRejected gives each source an equal share of them: a flood at one takes little from another.
func shareRejected(sources map[string]*reception) {
	for _, src := range sources {
		n := int64(len(sources))
		src.rejectedBytes = rate.NewLimiter(rate.Limit(rejectedBytes/n), int(max(rejectedBytes/n, src.MaxBody)))
	}
}

// reject keeps a request that ends with err, unless there were too many of late. Of a body that is too much its hash and
// its beginning stay.
func (s *Server) reject(c echo.Context, src *reception, sent []byte, now time.Time, err error) {
	if s.rejecter == nil || !src.rejected.AllowN(now, 1) {
		return
	}
	r := c.Request()
	header, credentials := src.Headers.Rejected(r.Header)
	kept := &quarantine.Request{
		Source: src.Name, Reason: reasonOf(answerTo(err), err), Received: now.UTC(), Method: r.Method, Query: r.URL.RawQuery,
		Remote: c.RealIP(), Header: header, Credentials: credentials, Size: len(sent), Body: sent, AsSent: true,
	}
	switch {
	case sent == nil && r.ContentLength != 0: // it was refused before it was read
		kept.NoBody, kept.Size = true, int(max(r.ContentLength, 0))
	case !src.rejectedBytes.AllowN(now, len(sent)) || !s.rejectedBytes.AllowN(now, len(sent)):
		kept.Cut()
	}
	s.rejecter.Reject(kept, func(err error) {
		if err != nil {
			s.log.Debug("cannot keep a rejected request", "source", src.Name, "error", err)
		}
	})
}

// Reverify verifies a rejected request again, with the secrets of now and the clock of its arrival, and stores its
// events. It returns why it still does not verify, in one word, or an error when the events can't be stored. A request
// that hands over a secret is not taken: the sender has been told that it was refused.
func (s *Server) Reverify(ctx context.Context, rejected *quarantine.Request) (reason string, err error) {
	src, ok := s.sources[rejected.Source]
	if !ok {
		return "", errNoSource
	}
	if rejected.NoBody {
		return "no_body", nil
	}
	header := rejected.Header
	if !rejected.AsSent {
		header = header.Clone()
		delete(header, "Content-Encoding")
	}
	bodies := body.Reader{Limit: src.MaxBody}
	request := src.Request(rejected.Method, rejected.Query, header, rejected.Body)
	_, outcome, err := src.Decode(request, &bodies, src.ReceiveAt(rejected.Received))
	switch {
	case source.OfBody(err):
		return answerTo(err).code, nil
	case err != nil:
		return provider.Reason(err), nil
	}
	if outcome.Learned != "" || outcome.Confirm != "" {
		return provider.Reason(provider.ErrUnexpected), nil
	}
	_, err = s.store(ctx, trace.Span{}, src.Events(outcome.Events, rejected.Header, rejected.Received))
	return "", err
}
