package ingest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"jethook/ingest/provider"
	"jethook/publish/event"
	"jethook/publish/failure"
	"jethook/publish/groupcommit"
	"jethook/publish/topology"
	"jethook/publish/trace"
)

// receive takes one webhook, or answers a handshake. The order matters: who does not know a source's secret costs
// no more than reading and checking, who shows nothing of it not even the reading, and nothing is answered before the
// events are stored.
func (s *Server) receive(c echo.Context) error {
	body := bodyReader{memory: s.memory}
	defer body.release()
	now := s.now()
	src, data, err := s.open(c, &body, now)
	if err != nil {
		leaveUnread(c.Response().Writer, c.Request())
		return err
	}
	r := c.Request()
	_, outcome, err := src.decode(src.request(r.Method, r.URL.RawQuery, r.Header, data), &body, src.receiveAt(now))
	if err != nil {
		return s.refuse(c, src, data, now, err)
	}
	if outcome.Handshake != "" {
		return s.shakeHands(c, src, &outcome, now)
	}
	// Only now: anyone can send what leads no further.
	span := s.tracer.Receive(r, c.Path(), src.name, traceOf(r.Header), now)
	if err := s.keep(c, src, outcome.Events, span, data, now); err != nil {
		span.Respond(response(err).Status)
		return err
	}
	defer span.Respond(outcome.Answer.Status)
	return send(c, outcome.Answer)
}

// keep stores the events of a verified request.
func (s *Server) keep(c echo.Context, src *source, found []provider.Event, span trace.Span, data []byte, now time.Time) error {
	if err := src.admit(now); err != nil {
		return err
	}
	r := c.Request()
	events := src.events(found, r.Header, now)
	receipt, err := s.store(r.Context(), span, events)
	if errors.Is(err, failure.ErrTooLarge) {
		s.reject(c, src, data, now, err)
	}
	if err != nil {
		return err
	}
	if receipt.Duplicate {
		src.dedup.duplicate(events[0].ID)
	}
	src.figures.accept(receipt, now)
	if receipt.Duplicate && src.repeats.AllowN(now, 1) {
		s.logDuplicate(src, events[0])
	}
	if src.refusals.ends(now) {
		s.log.Info("requests of a source are verified again", "source", src.name)
	}
	if src.hindered.ends(now) {
		s.log.Info("requests of a source are taken again", "source", src.name)
	}
	if src.clock.accepted(now) {
		s.log.Info("the sender's clock agrees with this machine's again", "source", src.name)
	}
	if s.failures.ends(now) {
		s.log.Info("storing webhooks again")
	}
	return nil
}

// logDuplicate tells who has redelivered a request by hand why nothing happened.
func (s *Server) logDuplicate(src *source, e *event.Event) {
	s.log.Info("duplicate webhook ignored: an event with its id is already stored", "source", src.name, "type", e.Type, "id", e.ID, "trace_id", e.TraceID(),
		"to_deliver_again", "jethook event resend "+e.ID, "to_store_each", variable(src.name, "DEDUP")+"=false")
}

// open finds the request's source, and reads its body unless the request is refused without.
func (s *Server) open(c echo.Context, body *bodyReader, now time.Time) (*source, []byte, error) {
	src, ok := s.sources[c.Param("source")]
	if !ok {
		return nil, nil, errNoSource
	}
	r := c.Request()
	from := s.addresses.of(r)
	switch {
	case src.allows(from):
	case !from.IsValid():
		return nil, nil, fmt.Errorf("%w: %w", errNotAllowed, errNoAddress)
	default:
		return nil, nil, errNotAllowed
	}
	body.limit = src.maxBody
	undecided, refused := src.receiver.Load().Early(src.request(r.Method, r.URL.RawQuery, r.Header, nil), now)
	if refused != nil {
		if !undecided {
			return nil, nil, s.refuse(c, src, nil, now, refused)
		}
		body.limit = min(body.limit, smallBody)
	}
	body.source, body.from = src.name, client(from)
	data, err := body.read(c.Response().Writer, r)
	switch {
	case refused != nil && errors.Is(err, errTooLarge):
		err = s.refuse(c, src, nil, now, refused)
	case err != nil:
		err = s.refuse(c, src, nil, now, err)
	}
	return src, data, err
}

// request is what the sender's row looks at. The address is the configured one: the Host header can be anything.
func (src *source) request(method, query string, h http.Header, body []byte) *provider.Request {
	return &provider.Request{Method: method, URL: src.url, Query: query, Header: h, Body: body, Tolerance: src.tolerance}
}

// refuse ends a request that did not verify, or whose body can't be taken. Its body is nil if it has not been read.
func (s *Server) refuse(c echo.Context, src *source, body []byte, now time.Time, cause error) error {
	err := cause
	switch {
	case errors.Is(cause, errOverloaded), errors.Is(cause, errTooSlow): // it may come again
		return err
	case !ofBody(cause):
		err = src.refusal(cause)
	}
	if _, ok := errors.AsType[*notVerifiedError](err); ok || ofBody(cause) {
		s.reject(c, src, body, now, err)
		r := c.Request()
		s.watchClock(src, src.request(r.Method, r.URL.RawQuery, r.Header, body), now, cause)
	}
	return err
}

// refusal is what a request comes to that did not verify because of cause.
func (src *source) refusal(cause error) error {
	receiver := src.receiver.Load()
	switch {
	case receiver == nil: // there is nothing to verify with
		return &notVerifiedError{source: src, refusal: src.sender.Refusal, cause: cause}
	case errors.Is(cause, provider.ErrKeyUnavailable): // the request may be right
		return fmt.Errorf("%w: %w", errNotChecked, cause)
	case errors.Is(cause, provider.ErrMethod):
		return &methodError{allowed: receiver.Methods(), cause: cause}
	}
	return &notVerifiedError{source: src, refusal: receiver.Refusal(cause), cause: cause}
}

// shakeHands does what a handshake asks for, and answers it.
func (s *Server) shakeHands(c echo.Context, src *source, o *provider.Outcome, now time.Time) error {
	ctx := c.Request().Context()
	if o.Learned != "" {
		if err := s.learn(ctx, src, o.Learned, nonceOf(c.Request().URL.RawQuery), now); err != nil {
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
	src.handshakes.ends(now)
	if src.handshakes.begins(now) {
		level = slog.LevelInfo
	}
	s.log.Log(ctx, level, "handshake answered", "source", src.name, "provider", src.sender.Name, "handshake", o.Handshake)
	return send(c, o.Answer)
}

// events are what is stored of a verified request.
func (src *source) events(found []provider.Event, h http.Header, now time.Time) []*event.Event {
	header, traceparent := src.headers.stored(h)
	events := make([]*event.Event, len(found))
	for i, e := range found {
		id := event.CleanID(e.ID)
		if id == "" {
			id = src.hashID(&e)
		}
		events[i] = &event.Event{
			ID:          src.dedup.name(id, e.Hashed, now),
			Type:        event.CleanType(e.Type),
			Source:      src.name,
			Subject:     topology.WebhookSubject(src.name, e.Type),
			Received:    now,
			ContentType: e.ContentType,
			Traceparent: traceparent,
			Query:       e.Query,
			Header:      header,
			Body:        e.Body,
		}
	}
	return events
}

// hashID is the id of an event that has none of its own. The sum of the body stands for it: a body may be megabytes, and a
// string would copy it. The type may stand in a header.
func (src *source) hashID(e *provider.Event) string {
	sum := sha256.Sum256(e.Body)
	parts := []string{src.name, string(sum[:]), e.Type}
	if e.Query != "" {
		parts = append(parts, e.Query)
	}
	return event.HashID(parts...)
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
