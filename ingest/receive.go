package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/labstack/echo/v4"

	"jethook/ingest/address"
	"jethook/ingest/body"
	"jethook/ingest/header"
	"jethook/ingest/provider"
	"jethook/ingest/source"
	"jethook/publish/event"
	"jethook/publish/failure"
	"jethook/publish/groupcommit"
	"jethook/publish/trace"
)

// receive takes one webhook, or answers a handshake. The order matters: who does not know a source's secret costs
// no more than reading and checking, who shows nothing of it not even the reading, and nothing is answered before the
// events are stored.
func (s *Server) receive(c echo.Context) error {
	bodies := body.Reader{Memory: s.memory}
	defer bodies.Release()
	now := s.now()
	src, data, err := s.open(c, &bodies, now)
	if err != nil {
		body.LeaveUnread(c.Response().Writer, c.Request())
		return err
	}
	r := c.Request()
	_, outcome, err := src.Decode(src.Request(r.Method, r.URL.RawQuery, r.Header, data), &bodies, src.ReceiveAt(now))
	if err != nil {
		return s.refuse(c, src, data, now, err)
	}
	if outcome.Handshake != "" {
		return s.shakeHands(c, src, &outcome, now)
	}
	// Only now: anyone can send what leads no further.
	span := s.tracer.Receive(r, c.Path(), src.Name, header.TraceOf(r.Header), now)
	if err := s.keep(c, src, outcome.Events, span, data, now); err != nil {
		span.Respond(response(err).Status)
		return err
	}
	defer span.Respond(outcome.Answer.Status)
	return send(c, outcome.Answer)
}

// keep stores the events of a verified request.
func (s *Server) keep(c echo.Context, src *reception, found []provider.Event, span trace.Span, data []byte, now time.Time) error {
	if err := src.admit(now); err != nil {
		return err
	}
	r := c.Request()
	events := src.Events(found, r.Header, now)
	receipt, err := s.store(r.Context(), span, events)
	if errors.Is(err, failure.ErrTooLarge) {
		s.reject(c, src, data, now, err)
	}
	if err != nil {
		return err
	}
	if receipt.Duplicate {
		src.Dedup.Duplicate(events[0].ID)
	}
	src.figures.accept(receipt, now)
	if receipt.Duplicate && src.repeats.AllowN(now, 1) {
		s.logDuplicate(src, events[0])
	}
	if src.refusals.Ends(now) {
		s.log.Info("requests of a source are verified again", "source", src.Name)
	}
	if src.hindered.Ends(now) {
		s.log.Info("requests of a source are taken again", "source", src.Name)
	}
	if src.clock.Accepted(now) {
		s.log.Info("the sender's clock agrees with this machine's again", "source", src.Name)
	}
	if s.failures.Ends(now) {
		s.log.Info("storing webhooks again")
	}
	return nil
}

// logDuplicate tells who has redelivered a request by hand why nothing happened.
func (s *Server) logDuplicate(src *reception, e *event.Event) {
	s.log.Info("duplicate webhook ignored: an event with its id is already stored", "source", src.Name, "type", e.Type, "id", e.ID, "trace_id", e.TraceID(),
		"to_deliver_again", "jethook event resend "+e.ID, "to_store_each", source.Variable(src.Name, "DEDUP")+"=false")
}

// open finds the request's source, and reads its body unless the request is refused without.
func (s *Server) open(c echo.Context, bodies *body.Reader, now time.Time) (*reception, []byte, error) {
	src, ok := s.sources[c.Param("source")]
	if !ok {
		return nil, nil, errNoSource
	}
	r := c.Request()
	from := s.addresses.Sender(r)
	switch {
	case src.allows(from):
	case !from.IsValid():
		return nil, nil, fmt.Errorf("%w: %w", errNotAllowed, errNoAddress)
	default:
		return nil, nil, errNotAllowed
	}
	bodies.Limit = src.MaxBody
	undecided, refused := src.Receiver().Early(src.Request(r.Method, r.URL.RawQuery, r.Header, nil), now)
	if refused != nil {
		if !undecided {
			return nil, nil, s.refuse(c, src, nil, now, refused)
		}
		bodies.Limit = min(bodies.Limit, body.Small)
	}
	bodies.Source, bodies.From = src.Name, address.Client(from)
	data, err := bodies.Read(c.Response().Writer, r)
	switch {
	case refused != nil && errors.Is(err, body.ErrTooLarge):
		err = s.refuse(c, src, nil, now, refused)
	case err != nil:
		err = s.refuse(c, src, nil, now, err)
	}
	return src, data, err
}

// refuse ends a request that did not verify, or whose body can't be taken. What was sent is nil if it has not been read.
func (s *Server) refuse(c echo.Context, src *reception, sent []byte, now time.Time, cause error) error {
	err := cause
	switch {
	case errors.Is(cause, body.ErrOverloaded), errors.Is(cause, body.ErrTooSlow): // it may come again
		return err
	case !source.OfBody(cause):
		err = src.Refusal(cause)
	}
	if _, ok := errors.AsType[*source.NotVerifiedError](err); ok || source.OfBody(cause) {
		s.reject(c, src, sent, now, err)
		r := c.Request()
		s.watchClock(src, src.Request(r.Method, r.URL.RawQuery, r.Header, sent), now, cause)
	}
	return err
}

// shakeHands does what a handshake asks for, and answers it.
func (s *Server) shakeHands(c echo.Context, src *reception, o *provider.Outcome, now time.Time) error {
	ctx := c.Request().Context()
	if o.Learned != "" {
		if err := s.learn(ctx, src, o.Learned, source.NonceOf(c.Request().URL.RawQuery), now); err != nil {
			return err
		}
	}
	if o.Confirm != "" {
		if err := s.confirm(ctx, o.Confirm); err != nil {
			return err
		}
	}
	// Anyone can send most handshakes: the first one is worth a line, until there was none for a while.
	level := slog.LevelDebug
	src.handshakes.Ends(now)
	if src.handshakes.Begins(now) {
		level = slog.LevelInfo
	}
	s.log.Log(ctx, level, "handshake answered", "source", src.Name, "provider", src.Sender.Name, "handshake", o.Handshake)
	return send(c, o.Answer)
}

// store returns once all events are stored. Of several the receipt tells nothing. A sender that hangs up meanwhile does not stop it: the request is
// verified, and the sender's next try is then a duplicate instead of another chance to fail.
func (s *Server) store(ctx context.Context, span trace.Span, events []*event.Event) (receipt groupcommit.Receipt, err error) {
	ctx = context.WithoutCancel(ctx)
	sent := s.tracer.Send(span, events)
	if len(events) == 1 {
		receipt, err = s.bus.Publish(ctx, events[0])
	} else {
		err = s.bus.PublishAll(ctx, events)
	}
	trace.Sent(sent, receipt.Duplicate, err)
	if err != nil {
		return receipt, fmt.Errorf("%w: %w", errNotStored, err)
	}
	if s.log.Enabled(ctx, slog.LevelDebug) {
		for _, e := range events {
			s.log.Debug("webhook stored", "source", e.Source, "type", e.Type, "id", e.ID, "subject", e.Subject, "bytes", len(e.Body), "trace_id", e.TraceID())
		}
	}
	return receipt, nil
}

func send(c echo.Context, a provider.Answer) error {
	for name, value := range a.Header {
		c.Response().Header().Set(name, value)
	}
	if a.Body == "" {
		return c.NoContent(a.Status)
	}
	return c.Blob(a.Status, a.ContentType, []byte(a.Body))
}
