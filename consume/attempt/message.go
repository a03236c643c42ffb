package attempt

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"jethook/consume/attempt/format"
)

// Message is the HTTP request of one attempt, signed: a POST.
type Message struct {
	URL    string
	Header http.Header
	Body   []byte
}

// Compose returns what an attempt made at that time sends, and sends nothing: [Client.Do] sends exactly this.
// Headers that net/http adds are not in it; [Message.Wire] shows them too. The error is fit for people, without
// secrets and without the URL, and is the Detail that the attempt's Result would have.
func (c *Client) Compose(r *Request, at time.Time) (*Message, error) {
	event := format.Event{
		ID: r.EventID, Type: r.EventType, Subject: r.Subject, ContentType: r.ContentType, Source: r.Source, Received: r.Received,
		Header: r.Header, Body: r.Body,
	}
	body, contentType := event.In(r.Endpoint.Format)
	header, err := c.header(r, body, contentType, at)
	if err != nil {
		return nil, err
	}
	return &Message{URL: r.Endpoint.URL, Header: header, Body: body}, nil
}

// request makes the message one of net/http.
func (m *Message) request(ctx context.Context) (*http.Request, error) {
	// A bytes.Reader lets net/http set Content-Length, and send the request again.
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.URL, bytes.NewReader(m.Body))
	if err != nil {
		return nil, errBadURL // err would repeat the URL
	}
	req.URL.RawQuery = escapeQuery(req.URL.RawQuery)
	// An idle connection that the receiver has just closed is no fault of the receiver, and must not cost an
	// attempt. This entry, of which nothing goes out, lets net/http send the request on another connection then;
	// without it only requests that it knows to be idempotent are sent again. Receivers deduplicate by webhook-id.
	m.Header[headerIdempotencyKey] = nil
	req.Header = m.Header
	req.GetBody = resends(req.GetBody)
	return req, nil
}

// errRefused means that the receiver keeps refusing a request before it looks at it.
var errRefused = errors.New("refused unprocessed")

// resendTime is for how long a request may be sent again on other connections. Stale connections are found out in
// milliseconds; net/http would go on for a minute with streams that a server refuses, a second later and then each time
// twice as late, while the request holds its endpoint's place.
const resendTime = 500 * time.Millisecond

// resends lets net/http have the body again for resendTime from the first time that it asks for it.
func resends(body func() (io.ReadCloser, error)) func() (io.ReadCloser, error) {
	var first time.Time
	return func() (io.ReadCloser, error) {
		if first.IsZero() {
			first = time.Now()
		}
		if time.Since(first) > resendTime {
			return nil, errRefused
		}
		return body()
	}
}

// escapeQuery escapes what can't stand in a request's first line, as net/url does by itself in the path only.
func escapeQuery(query string) string {
	var b strings.Builder
	for i := range len(query) {
		if c := query[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '<' || c == '>' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// Wire returns the message in the form that a receiver gets over HTTP/1.1: the URL escaped, the headers' values
// trimmed, and with the headers that net/http adds, Host and Content-Length.
func (m *Message) Wire() (*Message, error) {
	req, err := m.request(context.Background())
	if err != nil {
		return nil, err
	}
	scheme := req.URL.Scheme
	var wire bytes.Buffer
	if err := req.Write(&wire); err != nil {
		return nil, errBadURL
	}
	sent, err := http.ReadRequest(bufio.NewReader(&wire))
	if err != nil {
		return nil, errBadURL
	}
	body, err := io.ReadAll(sent.Body)
	if err != nil {
		return nil, fmt.Errorf("reading the request back: %w", err)
	}
	sent.Header.Set("Host", sent.Host)
	return &Message{URL: scheme + "://" + sent.Host + sent.RequestURI, Header: sent.Header, Body: body}, nil
}
