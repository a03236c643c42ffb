package events

import (
	"bytes"
	"crypto/rand"
	"net/http"
	"strings"

	"jethook/consume/admin/events"
	"jethook/consume/dashboard/exchange"
	"jethook/consume/dashboard/format"
	"jethook/consume/dashboard/frame"
	"jethook/consume/dashboard/recent"
	"jethook/publish/topology"
)

// sendPage is the form of an event that is sent by hand.
type sendPage struct {
	Type, ID, Data string
	Key            string // names the request: sent twice, it is one event
	Types          []frame.Option
	Wrong          map[string]string
	Check          sendCheck
}

// sendCheck is what is known of an event before it is sent: {{template "check"}}.
type sendCheck struct {
	Typed bool
	To    []events.Match
	Fault *exchange.Fault // of the data; nil: it is JSON, or nothing yet
	Size  int
}

func (s *pages) sendForm(w http.ResponseWriter, r *http.Request) error {
	p := sendPage{Type: r.URL.Query().Get("type"), Key: rand.Text(), Wrong: map[string]string{}}
	return s.showSend(w, r, &p, http.StatusOK)
}

// sentEvent is the form as it was sent.
func sentEvent(r *http.Request) sendPage {
	return sendPage{
		Type: strings.TrimSpace(r.PostForm.Get("type")), ID: strings.TrimSpace(r.PostForm.Get("id")), Data: r.PostForm.Get("data"),
		Key: r.PostForm.Get("key"), Wrong: map[string]string{},
	}
}

func (s *pages) showSend(w http.ResponseWriter, r *http.Request, p *sendPage, code int) error {
	events, err := s.recent.Newest(r.Context())
	if err != nil {
		return err
	}
	p.Types = recent.Types(events)
	if p.Check, err = s.check(r, p); err != nil {
		return err
	}
	return s.Render(w, r, "send", frame.View{Title: "Send an event", Nav: "/send", Status: code, Data: p})
}

// check tells who would get the event, and whether its data is JSON.
func (s *pages) check(r *http.Request, p *sendPage) (c sendCheck, err error) {
	if c.Size = len(strings.TrimSpace(p.Data)); c.Size > 0 {
		c.Fault = exchange.JSONFault(p.Data)
	}
	if p.Type == "" || len(events.Check(&events.NewEvent{Type: p.Type})) > 0 {
		return c, nil
	}
	c.Typed = true
	c.To, err = s.api.Events.Match(r.Context(), topology.EventSubject(p.Type))
	return c, err
}

// checkSending answers while the form is being filled in.
func (s *pages) checkSending(w http.ResponseWriter, r *http.Request) error {
	p := sentEvent(r)
	c, err := s.check(r, &p)
	if err != nil {
		return err
	}
	return s.RenderPart(w, r, "send", "check", frame.View{Data: &c})
}

func (s *pages) sendEvent(w http.ResponseWriter, r *http.Request) error {
	p := sentEvent(r)
	if r.PostForm.Get("do") == "check" {
		return s.showSend(w, r, &p, http.StatusOK)
	}
	data := bytes.TrimSpace([]byte(p.Data))
	event := &events.NewEvent{Type: p.Type, ID: p.ID, Data: data}
	for _, wrong := range events.Check(event) {
		p.Wrong[wrong.Field] = wrong.Message
	}
	if p.Type == "" {
		p.Wrong["type"] = "must be given"
	}
	if fault := exchange.JSONFault(p.Data); fault != nil {
		p.Wrong["data"] = fault.Text
		if len(data) == 0 {
			p.Wrong["data"] = "must be given; use {} for an empty body"
		}
	}
	if len(p.Wrong) > 0 {
		return s.showSend(w, r, &p, http.StatusUnprocessableEntity)
	}
	sent, err := s.api.Events.Send(r.Context(), event, p.Key)
	if err != nil {
		if f := s.api.Explain(err); len(f.Detail.Fields) > 0 {
			for _, wrong := range f.Detail.Fields {
				p.Wrong[wrong.Field] = wrong.Message
			}
			return s.showSend(w, r, &p, http.StatusUnprocessableEntity)
		}
		return err
	}
	text := "It is stored, and on its way to the endpoints that subscribe to it."
	if sent.Duplicate {
		text = "An event with this id was already stored, and nothing was added: this is that event."
	}
	return s.SeeOther(w, r, format.Path("/events", sent.ID), text)
}
