package endpoint

import (
	"errors"
	"fmt"
	"net/textproto"
	"strings"

	"golang.org/x/net/http/httpguts"
)

const (
	maxHeaders          = 50
	maxHeaderNameBytes  = 128
	maxHeaderValueBytes = 4096
)

// reservedHeaders are those that the connection or Jethook sets. User-Agent is not among them: some receivers
// let only certain ones in.
var reservedHeaders = map[string]string{
	"Connection":          "belongs to the connection",
	"Keep-Alive":          "belongs to the connection",
	"Proxy-Authenticate":  "belongs to the connection",
	"Proxy-Authorization": "belongs to the connection",
	"Proxy-Connection":    "belongs to the connection",
	"Te":                  "belongs to the connection",
	"Trailer":             "belongs to the connection",
	"Transfer-Encoding":   "belongs to the connection",
	"Upgrade":             "belongs to the connection",
	"Expect":              "belongs to the connection",
	"Host":                "comes from the URL",
	"Content-Length":      "comes from the body",
	"Content-Encoding":    "comes from the body",
	"Content-Type":        "comes from the event",
	"Traceparent":         "comes from the event",
	// One key for all events would make a receiver drop each but the first.
	"Idempotency-Key":   "would be the same for every event; receivers find the event's id in webhook-id",
	"X-Idempotency-Key": "would be the same for every event; receivers find the event's id in webhook-id",
}

// Prefixes of the headers that Jethook sets.
const (
	webhookPrefix = "Webhook-"
	jethookPrefix = "Jethook-"
)

func (c *checker) headers(raw map[string]string) map[string]string {
	if len(raw) > maxHeaders {
		c.add("headers", "must be at most %d", maxHeaders)
		return nil
	}
	headers := make(map[string]string, len(raw))
	for _, given := range sortedKeys(raw) {
		field := "headers." + given
		name := textproto.CanonicalMIMEHeaderKey(given)
		if _, twice := headers[name]; twice {
			c.add(field, "is given twice, in different case")
		}
		if c.check(field, checkHeaderName(name)) {
			c.check(field, notReserved(name))
		}
		c.check(field, checkHeaderValue(raw[given]))
		headers[name] = raw[given]
	}
	return headers
}

func checkHeaderName(name string) error {
	if len(name) > maxHeaderNameBytes || !httpguts.ValidHeaderFieldName(name) {
		return errors.New("is not a valid header name")
	}
	return nil
}

func checkHeaderValue(value string) error {
	if len(value) > maxHeaderValueBytes {
		return fmt.Errorf("must be at most %d bytes long", maxHeaderValueBytes)
	}
	if !httpguts.ValidHeaderFieldValue(value) {
		return errors.New("contains a character that is not allowed in headers")
	}
	return nil
}

// CheckEventHeader says what keeps an event's own header, by its canonical name, from being sent with it.
func CheckEventHeader(name, value string) error {
	if err := checkHeaderName(name); err != nil {
		return err
	}
	if err := notReserved(name); err != nil {
		return err
	}
	return checkHeaderValue(value)
}

// notReserved takes a canonical name.
func notReserved(name string) error {
	if why, ok := reservedHeaders[name]; ok {
		return errors.New("cannot be set: it " + why)
	}
	if strings.HasPrefix(name, webhookPrefix) || strings.HasPrefix(name, jethookPrefix) {
		return errors.New("cannot be set: Jethook sets it")
	}
	return nil
}
