// Package events is the pages of stored events, what became of each, and the form that sends one by hand.
package events

import (
	"cmp"
	"context"
	"embed"
	"encoding/base64"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"jethook/consume/admin"
	"jethook/consume/admin/access"
	"jethook/consume/admin/events"
	"jethook/consume/admin/message"
	"jethook/consume/admin/operation"
	"jethook/consume/archive"
	"jethook/consume/dashboard/exchange"
	"jethook/consume/dashboard/format"
	"jethook/consume/dashboard/frame"
	"jethook/consume/dashboard/names"
	"jethook/consume/dashboard/recent"
	"jethook/consume/deliveries"
	"jethook/consume/history"
)

//go:embed *.html
var templates embed.FS

type pages struct {
	*frame.Frame
	api    *admin.Server
	names  *names.Names
	recent *recent.Events
}

// Add adds the pages to a frame.
func Add(f *frame.Frame, api *admin.Server, n *names.Names, newest *recent.Events) {
	s := &pages{f, api, n, newest}
	f.Templates(templates)
	f.Page("GET /events", s.events)
	f.Page("GET /events/{id}", s.event)
	f.Page("GET /events/{id}/body", s.eventBytes)
	f.Page("GET /events/{id}/text", s.wholeBody)
	f.Operate("POST /events/{id}/resend", s.resendEvent)
	f.PageFor(access.Write)("GET /send", s.sendForm)
	f.Change("POST /send", s.sendEvent)
	f.Change("POST /send/check", s.checkSending)
}

// eventsPage is the list of stored events.
type eventsPage struct {
	Filter *frame.Filter
	Rows   []eventRow
	Pager  frame.Pager
	Wrong  []operation.FailureField
}

// eventRow is an event with its place, by which it is found at once.
type eventRow struct {
	archive.StoredEvent
	Place string
}

func (s *pages) events(w http.ResponseWriter, r *http.Request) error {
	last, err := s.recent.Newest(r.Context())
	if err != nil {
		return err
	}
	shown := eventsPage{Filter: frame.FilterOf(r, "/events",
		frame.Field{Name: "subject", Label: "Subject", Hint: "webhooks.shop.>", Options: recent.Subjects(last), Wide: true},
		frame.Field{Name: "since", Label: "Since", Hint: "24h"},
		frame.Field{Name: "until", Label: "Until", Hint: "1h, or a time"},
	)}
	v := frame.View{Title: "Events", Nav: "/events", Live: r.URL.Query().Get("cursor") == "", Data: &shown}
	f := shown.Filter
	page, err := s.api.Events.List(r.Context(), operation.PageParams{Limit: frame.PageSize, Cursor: r.URL.Query().Get("cursor")},
		events.SpanParams{Subject: f.Get("subject"), Since: f.Get("since"), Until: f.Get("until")})
	if wrong, ok := errors.AsType[*operation.Failure](err); ok && len(wrong.Detail.Fields) > 0 {
		shown.Wrong = f.Blame(wrong.Detail.Fields)
		v.Status, v.Live = wrong.GetStatus(), false
	} else if err != nil {
		return err
	} else {
		for i := range page.Items {
			shown.Rows = append(shown.Rows, eventRow{page.Items[i], placeOf(&page.Items[i])})
		}
		shown.Pager = frame.PagerOf(r, f, page.NextCursor, len(page.Items))
	}
	return s.Render(w, r, "events", v)
}

// placeOf is where an event lies, which no other event shares.
func placeOf(e *archive.StoredEvent) string {
	return e.Stream + "-" + strconv.FormatUint(e.Sequence, 10)
}

// eventPage is one event, and what became of it.
type eventPage struct {
	*events.EventDetail
	Place    string
	Body     exchange.Body
	Large    bool // the body is not shown whole
	Headers  []message.Header
	Rows     []names.Row
	Attempts []attemptRow
	To       []matchRow // who would get it, and got nothing of it yet
	CanSend  bool
}

// attemptRow is an attempt with what its endpoint is called.
type attemptRow struct {
	history.Attempt
	Name string
}

// matchRow is an endpoint whose patterns match, and that has no delivery of the event.
type matchRow struct{ events.Match }

func (s *pages) event(w http.ResponseWriter, r *http.Request) error {
	event, err := s.api.Events.Get(r.Context(), &events.EventParams{ID: r.PathValue("id"), SpanParams: events.SpanParams{Subject: r.URL.Query().Get("subject")}})
	if err != nil {
		return err
	}
	shown := eventPage{EventDetail: event, Place: placeOf(&event.StoredEvent), Rows: s.names.Rows(event.Deliveries), CanSend: s.names.Kept()}
	body, err := s.bodyOf(r.Context(), event, shown.Place)
	if err != nil {
		return err
	}
	shown.Body = exchange.BodyOf("event-body", cmp.Or(event.ContentType, "Body"), body)
	if shown.Large = shown.Body.Cut; len(body) == 0 && event.Size > 0 {
		shown.Body = exchange.Body{Empty: "The body is no longer stored."}
	}
	for _, name := range slices.Sorted(maps.Keys(event.Headers)) {
		for _, value := range event.Headers[name] {
			shown.Headers = append(shown.Headers, message.Header{Name: name, Value: value})
		}
	}
	for i := range event.Attempts {
		shown.Attempts = append(shown.Attempts, attemptRow{event.Attempts[i], s.names.Of(event.Attempts[i].Endpoint)})
	}
	matches, err := s.api.Events.Match(r.Context(), event.Subject)
	if err != nil && s.api.Explain(err).GetStatus() >= http.StatusInternalServerError {
		return err
	}
	for _, m := range matches {
		if !slices.ContainsFunc(event.Deliveries, func(d deliveries.Delivery) bool { return d.Endpoint == m.Endpoint }) {
			shown.To = append(shown.To, matchRow{m})
		}
	}
	return s.Render(w, r, "event", frame.View{Title: event.Type, Nav: "/events", Live: true, Data: &shown})
}

// bodyOf is the whole body of an event, of which the API's answer may have the beginning only.
func (s *pages) bodyOf(ctx context.Context, event *events.EventDetail, place string) ([]byte, error) {
	switch {
	case event.Truncated:
		stored, err := s.api.Events.Stored(ctx, &events.EventParams{ID: place})
		if err != nil {
			return nil, err
		}
		return stored.Body, nil
	case event.Base64 != "":
		return base64.StdEncoding.DecodeString(event.Base64)
	default:
		return []byte(event.Text), nil
	}
}

// resendEvent sends an event again to the endpoints that were selected, or to all whose patterns match, after it has asked.
func (s *pages) resendEvent(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	back := format.Path("/events", id)
	to := r.PostForm["endpoint"]
	if r.PostForm.Get("what") == "all" {
		to = nil
	} else if len(to) == 0 {
		return s.SeeOther(w, r, back, "No endpoint is selected.")
	}
	about := "to every endpoint whose patterns match"
	if to != nil {
		about = "to " + format.Plural(len(to), "endpoint", "endpoints")
	}
	yes, err := s.Confirm(w, r, &frame.Question{
		Title: "Send it again " + about + "?", Nav: "/events", Back: back, Button: "Send it again",
		Text: []string{"Waiting deliveries are attempted now, dead ones start a new schedule, and delivered ones are delivered once more, under the same id. A disabled endpoint gets nothing."},
	})
	if !yes {
		return err
	}
	sent, err := s.api.Events.Resend(r.Context(), id, to)
	if err != nil {
		return err
	}
	return s.SeeOther(w, r, back, resentText(sent))
}

// resentText says what came of sending an event again.
func resentText(sent *events.Resent) string {
	counts := map[string]int{}
	for _, d := range sent.Deliveries {
		counts[d.Result]++
	}
	var parts []string
	for _, word := range [][2]string{{events.ResultSent, "is sent to %"}, {events.ResultUnderWay, "was under way already to %"}, {events.ResultDisabled, "is not sent to %, disabled"}} {
		if n := counts[word[0]]; n > 0 {
			parts = append(parts, strings.Replace(word[1], "%", format.Plural(n, "endpoint", "endpoints"), 1))
		}
	}
	if len(parts) == 0 {
		return "No endpoint’s patterns match it: it is not sent."
	}
	return "It " + strings.Join(parts, ", ") + "."
}
