package source

import (
	"crypto/sha256"
	"net/http"
	"time"

	"jethook/ingest/provider"
	"jethook/publish/event"
	"jethook/publish/topology"
)

// Request is what the sender's row looks at. The address is the configured one: the Host header can be anything.
func (src *Source) Request(method, query string, h http.Header, body []byte) *provider.Request {
	return &provider.Request{Method: method, URL: src.URL, Query: query, Header: h, Body: body, Tolerance: src.tolerance}
}

// Events are what is stored of a verified request.
func (src *Source) Events(found []provider.Event, h http.Header, now time.Time) []*event.Event {
	header, traceparent := src.Headers.Stored(h)
	events := make([]*event.Event, len(found))
	for i, e := range found {
		id := event.CleanID(e.ID)
		if id == "" {
			id = src.hashID(&e)
		}
		events[i] = &event.Event{
			ID:          src.Dedup.Name(id, e.Hashed, now),
			Type:        event.CleanType(e.Type),
			Source:      src.Name,
			Subject:     topology.WebhookSubject(src.Name, e.Type),
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
func (src *Source) hashID(e *provider.Event) string {
	sum := sha256.Sum256(e.Body)
	parts := []string{src.Name, string(sum[:]), e.Type}
	if e.Query != "" {
		parts = append(parts, e.Query)
	}
	return event.HashID(parts...)
}
