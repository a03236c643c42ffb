package ingest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"time"

	"github.com/labstack/echo/v4"

	"jethook/ingest/provider"
	"jethook/publish"
)

// publishTimeout is how long storing one event may take before the sender is asked to try again. Most senders
// give up after 10 s and deliver again; an answer before that tells them why.
const publishTimeout = 5 * time.Second

// receive takes one webhook. The order matters: who does not know a source's secret costs no more than
// reading and checking, and nothing is answered before the event is stored.
func (s *Server) receive(c echo.Context) error {
	src, ok := s.sources[c.Param("source")]
	if !ok {
		return errNoSource
	}
	if !src.allows(c.RealIP()) {
		return errNotAllowed
	}
	r := c.Request()
	body := bodyReader{memory: s.memory, limit: s.maxBody}
	defer body.release()
	data, err := body.read(c.Response().Writer, r)
	if err != nil {
		return err
	}
	// A body that came compressed is verified decompressed, as it is stored: the one sender that compresses,
	// Polytomic, signs nothing, and a proxy that compresses does not sign again.
	request := &provider.Request{Method: r.Method, Header: r.Header, Body: data}
	now := s.now()
	if err := src.verifier.Verify(request, now); err != nil {
		return &notVerifiedError{source: src, cause: err}
	}
	if err := src.admit(now); err != nil {
		return err
	}
	event := src.event(request, now)
	receipt, err := s.store(r.Context(), event)
	if err != nil {
		return err
	}
	src.figures.accept(receipt, now)
	src.refusals.ends(now)
	if s.failures.ends(now) {
		s.log.Info("webhooks are stored again")
	}
	return send(c, src.sender.Success)
}

// event is what is stored of a verified request.
func (src *source) event(r *provider.Request, now time.Time) *publish.Event {
	eventType, id := src.sender.Event(r)
	if id = publish.CleanID(id); id == "" {
		// The sum of the body stands for it: a body may be megabytes, and a string would copy it.
		sum := sha256.Sum256(r.Body)
		id = publish.HashID(src.name, string(sum[:]))
	}
	header, traceparent := src.storedHeaders(r.Header)
	return &publish.Event{
		ID:          id,
		Type:        publish.CleanType(eventType),
		Source:      src.name,
		Subject:     publish.WebhookSubject(src.name, eventType),
		Received:    now,
		ContentType: r.Header.Get("Content-Type"),
		Traceparent: traceparent,
		Header:      header,
		Body:        r.Body,
	}
}

// store returns once e is stored. A sender that hangs up meanwhile does not stop it: the event is verified,
// and the sender's next try is then a duplicate instead of another chance to fail.
func (s *Server) store(ctx context.Context, e *publish.Event) (publish.Receipt, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishTimeout)
	defer cancel()
	receipt, err := s.bus.Publish(ctx, e)
	if err != nil {
		return receipt, fmt.Errorf("%w: %w", errNotStored, err)
	}
	if s.log.Enabled(ctx, slog.LevelDebug) {
		s.log.Debug("webhook stored", "source", e.Source, "type", e.Type, "id", e.ID, "subject", e.Subject,
			"bytes", len(e.Body), "sequence", receipt.Seq, "duplicate", receipt.Duplicate)
	}
	return receipt, nil
}

func send(c echo.Context, a provider.Answer) error {
	if a.Body == "" {
		return c.NoContent(a.Status)
	}
	return c.Blob(a.Status, a.ContentType, []byte(a.Body))
}
