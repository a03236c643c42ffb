package admin

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

func contentOf(body []byte) Content {
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

// show describes a message; what it has of credentials only if revealed.
func show(m *attempt.Message, reveal bool) (*RequestShown, error) {
	wire, err := m.Wire()
	if err != nil {
		return nil, err
	}
	if !reveal {
		mask(wire.Header)
	}
	return &RequestShown{
		Method: http.MethodPost, URL: wire.URL, Headers: headersOf(wire.Header), Content: contentOf(wire.Body),
	}, nil
}

// mask hides the values of credentials, by their headers' names and by those that are known to be some.
func mask(h http.Header, known ...string) {
	for name := range h {
		if event.IsCredential(name) || slices.Contains(known, name) {
			h[name] = []string{config.Secret{}.String()}
		}
	}
}

// headersOf returns h in the order of its names.
func headersOf(h http.Header) []Header {
	lines := []Header{}
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, value := range h[name] {
			lines = append(lines, Header{Name: name, Value: value})
		}
	}
	return lines
}
