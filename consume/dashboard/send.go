package dashboard

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"jethook/consume/admin"
	"jethook/publish/topology"
)

func (s *Server) sendRoutes() {
	s.pageFor(admin.AccessWrite)("GET /send", s.sendForm)
	s.change("POST /send", s.sendEvent)
	s.change("POST /send/check", s.checkSending)
}

// sendPage is the form of an event that is sent by hand.
type sendPage struct {
	Type, ID, Data string
	Key            string // names the request: sent twice, it is one event
	Types          []option
	Wrong          map[string]string
	Check          sendCheck
}

// sendCheck is what is known of an event before it is sent: {{template "check"}}.
type sendCheck struct {
	Typed bool
	To    []admin.Match
	Fault *textFault // of the data; nil: it is JSON, or nothing yet
	Size  int
}

// textFault is what is wrong with JSON, and where.
type textFault struct {
	Line, Column int
	Text         string // in a sentence
	Before, At   string // the line up to the fault, and from it on
}

// jsonFault finds the first fault of a text that is to be JSON; nil if it has none.
func jsonFault(text string) *textFault {
	d := json.NewDecoder(strings.NewReader(text))
	var raw json.RawMessage
	err := d.Decode(&raw)
	offset := int64(len(text))
	why := "the text ends too early"
	if wrong, ok := errors.AsType[*json.SyntaxError](err); ok {
		why = wrong.Error()
		if strings.HasPrefix(why, "unexpected end") || strings.HasPrefix(why, "unexpected EOF") {
			why = "the text ends too early"
		} else {
			offset = wrong.Offset - 1
		}
	} else if err == nil {
		rest := text[d.InputOffset():]
		if strings.TrimSpace(rest) == "" {
			return nil
		}
		offset = d.InputOffset() + int64(len(rest)-len(strings.TrimLeft(rest, " \t\r\n")))
		why = "something follows after the JSON has ended"
	}
	offset = min(max(0, offset), int64(len(text)))
	start := strings.LastIndexByte(text[:offset], '\n') + 1
	end := len(text)
	if i := strings.IndexByte(text[offset:], '\n'); i >= 0 {
		end = int(offset) + i
	}
	f := &textFault{Line: strings.Count(text[:offset], "\n") + 1, Column: int(offset) - start + 1, Before: text[start:offset], At: text[offset:end]}
	if len(f.Before) > 60 {
		f.Before = "…" + strings.ToValidUTF8(f.Before[len(f.Before)-60:], "")
	}
	f.At = shorten(60, f.At)
	f.Text = fmt.Sprintf("Line %d, column %d: %s.", f.Line, f.Column, why)
	return f
}

func (s *Server) sendForm(w http.ResponseWriter, r *http.Request) error {
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

func (s *Server) showSend(w http.ResponseWriter, r *http.Request, p *sendPage, code int) error {
	events, err := s.lastEvents(r.Context())
	if err != nil {
		return err
	}
	p.Types = typeOptions(events)
	if p.Check, err = s.check(r, p); err != nil {
		return err
	}
	return s.render(w, r, "send", view{Title: "Send an event", Nav: "/send", Status: code, Data: p})
}

// check tells who would get the event, and whether its data is JSON.
func (s *Server) check(r *http.Request, p *sendPage) (c sendCheck, err error) {
	if c.Size = len(strings.TrimSpace(p.Data)); c.Size > 0 {
		c.Fault = jsonFault(p.Data)
	}
	if p.Type == "" || len(s.api.CheckEvent(&admin.NewEvent{Type: p.Type})) > 0 {
		return c, nil
	}
	c.Typed = true
	c.To, err = s.api.Match(r.Context(), topology.EventSubject(p.Type))
	return c, err
}

// checkSending answers while the form is being filled in.
func (s *Server) checkSending(w http.ResponseWriter, r *http.Request) error {
	p := sentEvent(r)
	c, err := s.check(r, &p)
	if err != nil {
		return err
	}
	return s.renderPartOf(w, r, "send", "check", view{Data: &c})
}

func (s *Server) sendEvent(w http.ResponseWriter, r *http.Request) error {
	p := sentEvent(r)
	if r.PostForm.Get("do") == "check" {
		return s.showSend(w, r, &p, http.StatusOK)
	}
	data := bytes.TrimSpace([]byte(p.Data))
	event := &admin.NewEvent{Type: p.Type, ID: p.ID, Data: data}
	for _, wrong := range s.api.CheckEvent(event) {
		p.Wrong[wrong.Field] = wrong.Message
	}
	if p.Type == "" {
		p.Wrong["type"] = "must be given"
	}
	if fault := jsonFault(p.Data); fault != nil {
		p.Wrong["data"] = fault.Text
		if len(data) == 0 {
			p.Wrong["data"] = "must be given: {} if there is nothing to say"
		}
	}
	if len(p.Wrong) > 0 {
		return s.showSend(w, r, &p, http.StatusUnprocessableEntity)
	}
	sent, err := s.api.SendEvent(r.Context(), event, p.Key)
	if err != nil {
		if f := s.api.Explain(err); len(f.Detail.Fields) > 0 {
			for _, wrong := range f.Detail.Fields {
				p.Wrong[wrong.Field] = wrong.Message
			}
			return s.showSend(w, r, &p, http.StatusUnprocessableEntity)
		}
		return err
	}
	text := "It is stored, and on its way to whoever wants it."
	if sent.Duplicate {
		text = "An event with this id was stored before, and nothing was added: this is that one."
	}
	return s.seeOther(w, r, s.pathOf("/events", sent.ID), text)
}
