package attempt

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"jethook/consume/attempt/format"
	"jethook/consume/endpoint"
	"jethook/consume/endpoint/signing"
)

// Sent is what a request held that can't be told from its event and its time, without what is secret. It is kept
// with each attempt, and so is small: what most have in common is left out.
type Sent struct {
	URL         string   `json:"url"`
	ContentType string   `json:"type,omitempty"` // empty: JSON
	Traceparent string   `json:"trace,omitempty"`
	UserAgent   string   `json:"agent,omitempty"`  // empty: the endpoint's own, which is among Own
	Secret      string   `json:"secret,omitempty"` // name of the header that signs or authorises; empty: that of Standard Webhooks
	Stamp       string   `json:"stamp,omitempty"`  // name of a header with the time
	Own         []string `json:"own,omitempty"`    // names of all others, which the endpoint, the event or a second signature adds
}

// Masked stands for what is not shown.
const Masked = "***"

// sent describes req, which was made of r.
func (c *Client) sent(r *Request, req *http.Request) *Sent {
	s := &Sent{
		URL: shownURL(req.URL, r.Endpoint.Format), UserAgent: c.userAgent,
	}
	if contentType := req.Header[headerContentType]; contentType[0] != format.TypeJSON {
		s.ContentType = contentType[0]
	}
	if trace := req.Header[headerTraceparent]; trace != nil {
		s.Traceparent = trace[0]
	}
	switch signature := r.Endpoint.Signature; signature.Scheme {
	case signing.SchemeHMAC:
		s.Secret = signature.Header
	case signing.SchemeBearer:
		s.Secret, s.Stamp = signing.HeaderAuthorization, signature.Header
	}
	if r.Endpoint.Headers[headerUserAgent] != "" {
		s.UserAgent = ""
	}
	for name, values := range req.Header {
		if values != nil && !s.tells(name) {
			s.Own = append(s.Own, name)
		}
	}
	slices.Sort(s.Own)
	return s
}

// tells reports whether a header is known without its name among Own.
func (s *Sent) tells(name string) bool {
	switch name {
	case headerWebhookID, headerWebhookTimestamp, headerAttempt, headerType, headerContentType, headerTraceparent:
		return true
	case headerUserAgent:
		return s.UserAgent != ""
	default:
		return name == s.Stamp || name == cmp.Or(s.Secret, signing.HeaderStandard)
	}
}

// Headers are all headers of the request, made for an event at a time.
func (s *Sent) Headers(eventID, eventType string, attempt int, at time.Time) map[string]string {
	h := map[string]string{
		headerWebhookID:        eventID,
		headerWebhookTimestamp: strconv.FormatInt(at.Unix(), 10),
		headerAttempt:          strconv.Itoa(attempt),
		headerType:             eventType,
		headerContentType:      cmp.Or(s.ContentType, format.TypeJSON),

		cmp.Or(s.Secret, signing.HeaderStandard): Masked,
	}
	if s.Traceparent != "" {
		h[headerTraceparent] = s.Traceparent
	}
	if s.UserAgent != "" {
		h[headerUserAgent] = s.UserAgent
	}
	if s.Stamp != "" {
		h[s.Stamp] = at.UTC().Format(time.RFC3339)
	}
	for _, name := range s.Own {
		h[name] = Masked
	}
	return h
}

// shownURL is a URL without what may be secret: receivers put tokens into the query, and the path of a chat
// service's URL is a credential. Other paths are shown, as they tell which of a receiver's routes was called.
func shownURL(u *url.URL, f endpoint.Format) string {
	if f != endpoint.FormatRaw && f != "" {
		return u.Scheme + "://" + u.Host + "/" + Masked
	}
	shown := u.Scheme + "://" + u.Host + u.EscapedPath()
	if u.RawQuery == "" {
		return shown
	}
	return shown + "?" + MaskQuery(u.RawQuery)
}

// ShownURL is an endpoint's URL without what may be secret, as every attempt shows it.
func ShownURL(e *endpoint.Endpoint) string {
	u, err := url.Parse(e.URL)
	if err != nil {
		return Masked
	}
	return shownURL(u, e.Format)
}

// MaskQuery returns a URL's query with its names alone: values may be tokens.
func MaskQuery(query string) string {
	if query == "" {
		return ""
	}
	fields := strings.Split(query, "&")
	for i, field := range fields {
		name, _, valued := strings.Cut(field, "=")
		if fields[i] = Masked; valued { // a field without a value may be the token itself
			fields[i] = name + "=" + Masked
		}
	}
	return strings.Join(fields, "&")
}
