package dashboard

import (
	"cmp"
	"maps"
	"net/http"
	"slices"

	"jethook/consume/admin"
	"jethook/consume/history"
)

// exchange is a request to an endpoint and what came back, side by side: {{template "exchange"}}.
type exchange struct {
	URL     string // empty: no request was made
	Request []admin.Header
	Body    bodyView
	Curl    string // a command that sends the same; empty: none is offered

	Status        int // 0: there was no answer
	Meaning       string
	AnswerHeaders []admin.Header
	Answer        bodyView
	None          string // why there was no answer
}

// answered adds an answer.
func (x *exchange) answered(status int, header []admin.Header, body []byte, cut bool) {
	x.Status, x.Meaning, x.AnswerHeaders = status, http.StatusText(status), header
	x.Answer = viewOfBody("answer", "Body", body)
	if cut {
		x.Answer.About += ", the beginning; no more was kept"
	}
}

// asked adds a request with its body, whole. The command is left out where the body is too much to be pasted.
func (x *exchange) asked(shown *admin.RequestShown, body []byte, about string) {
	x.URL, x.Request, x.Body = shown.URL, shown.Headers, viewOfBody("request", about, body)
	if len(body) <= maxShown {
		x.Curl = admin.Curl(shown, body)
	}
}

// exchangeOf is what an attempt sent, with the body of its event, and what came back. An event that is gone leaves the body nil, and
// gone says so.
func exchangeOf(a *history.Attempt, body []byte, contentType, gone string) exchange {
	var x exchange
	if a.Request != nil {
		shown := &admin.RequestShown{Method: http.MethodPost, URL: a.Request.URL}
		for _, name := range slices.Sorted(maps.Keys(a.Request.Headers)) {
			shown.Headers = append(shown.Headers, admin.Header{Name: name, Value: a.Request.Headers[name]})
		}
		x.asked(shown, body, cmp.Or(contentType, "Body"))
	}
	if gone != "" {
		x.Curl = ""
	}
	if a.Status != 0 {
		x.answered(a.Status, nil, []byte(a.Response), a.Truncated)
	} else {
		x.None = sentence(cmp.Or(a.Error, string(a.Class)))
	}
	return x
}
