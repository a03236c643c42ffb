// Package message is HTTP messages and bodies as the admin API shows them: credentials hidden, bodies in a form that fits into
// JSON, and a request as a command of curl.
package message

import (
	"encoding/base64"
	"maps"
	"net/http"
	"slices"
	"unicode/utf8"

	"jethook/config"
	"jethook/consume/attempt"
	"jethook/publish/event"
)

// Header is one line of a header.
type Header struct {
	Name  string `json:"name" doc:"the header's name" example:"Webhook-Id"`
	Value string `json:"value" doc:"its value; <secret> for a hidden credential" example:"evt_4Qm2"`
}

// Content is a body: text as it is, and anything else in base64.
type Content struct {
	Body     string `json:"body" doc:"the body" example:"{\"type\":\"jethook.test\"}"`
	Encoding string `json:"body_encoding" enum:"text,base64" doc:"the encoding of body: text if it is UTF-8, else base64" example:"text"`
}

// ContentOf returns a body as it is shown.
func ContentOf(body []byte) Content {
	if utf8.Valid(body) {
		return Content{Body: string(body), Encoding: "text"}
	}
	return Content{Body: base64.StdEncoding.EncodeToString(body), Encoding: "base64"}
}

// RequestShown is an HTTP request to an endpoint, as it goes out over HTTP/1.1.
type RequestShown struct {
	Method  string   `json:"method" doc:"always POST" example:"POST"`
	URL     string   `json:"url" doc:"the URL of the request" example:"https://example.com/hook"`
	Headers []Header `json:"headers" doc:"all headers, sorted by name"`
	Content
}

// Show describes a message; what it has of credentials only if revealed.
func Show(m *attempt.Message, reveal bool) (*RequestShown, error) {
	wire, err := m.Wire()
	if err != nil {
		return nil, err
	}
	if !reveal {
		Mask(wire.Header)
	}
	return &RequestShown{
		Method: http.MethodPost, URL: wire.URL, Headers: HeadersOf(wire.Header), Content: ContentOf(wire.Body),
	}, nil
}

// Mask hides the values of credentials, by their headers' names and by those that are known to be some.
func Mask(h http.Header, known ...string) {
	for name := range h {
		if event.IsCredential(name) || slices.Contains(known, name) {
			h[name] = []string{config.Secret{}.String()}
		}
	}
}

// HeadersOf returns h in the order of its names.
func HeadersOf(h http.Header) []Header {
	lines := []Header{}
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, value := range h[name] {
			lines = append(lines, Header{Name: name, Value: value})
		}
	}
	return lines
}
