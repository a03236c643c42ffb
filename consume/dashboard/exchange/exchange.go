// Package exchange shows requests to endpoints with what came back, and bodies: laid out, cut to what a page can carry, and with
// what could deceive the reader made visible.
package exchange

import (
	"cmp"
	"maps"
	"net/http"
	"slices"

	"jethook/consume/admin/message"
	"jethook/consume/dashboard/format"

	"jethook/consume/history"
)

// Exchange is a request to an endpoint and what came back, side by side: {{template "exchange"}}.
type Exchange struct {
	URL     string // empty: no request was made
	Request []message.Header
	Body    Body
	Curl    string // a command that sends the same; empty: none is offered

	Status        int // 0: there was no answer
	Meaning       string
	AnswerHeaders []message.Header
	Answer        Body
	None          string // why there was no answer
}

// Answered adds an answer.
func (x *Exchange) Answered(status int, header []message.Header, body []byte, cut bool) {
	x.Status, x.Meaning, x.AnswerHeaders = status, http.StatusText(status), header
	x.Answer = BodyOf("answer", "Body", body)
	if cut {
		x.Answer.About += ", only the beginning was kept"
	}
}

// Asked adds a request with its body, whole. The command is left out where the body is too much to be pasted.
func (x *Exchange) Asked(shown *message.RequestShown, body []byte, about string) {
	x.URL, x.Request, x.Body = shown.URL, shown.Headers, BodyOf("request", about, body)
	if len(body) <= maxShown {
		x.Curl = message.Curl(shown, body)
	}
}

// Of is what an attempt sent, with the body of its event, and what came back. An event that is gone leaves the body nil, and
// gone says so.
func Of(a *history.Attempt, body []byte, contentType, gone string) Exchange {
	var x Exchange
	if a.Request != nil {
		shown := &message.RequestShown{Method: http.MethodPost, URL: a.Request.URL}
		for _, name := range slices.Sorted(maps.Keys(a.Request.Headers)) {
			shown.Headers = append(shown.Headers, message.Header{Name: name, Value: a.Request.Headers[name]})
		}
		x.Asked(shown, body, cmp.Or(contentType, "Body"))
	}
	if gone != "" {
		x.Curl = ""
	}
	if a.Status != 0 {
		x.Answered(a.Status, nil, []byte(a.Response), a.Truncated)
	} else {
		x.None = format.Sentence(cmp.Or(a.Error, string(a.Class)))
	}
	return x
}
