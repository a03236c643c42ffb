package endpoint

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"jethook/consume/endpoint/signing"
)

// A record of the bucket may have been written by anybody who reaches the bucket. It becomes an Endpoint only when
// it could be one that this package made: what follows relies on its fields.

// validID is what newID and IDOf make: one token of a subject.
var validID = regexp.MustCompile(`^ep_[0-9A-Za-z_-]{1,61}$`)

// maxReason bounds a DisabledReason, in bytes.
const maxReason = 1024

// check returns what is wrong with an endpoint that was stored under an id.
func (e *Endpoint) check(id string) error {
	if e.ID != id {
		return errors.New("it is another endpoint's")
	}
	if !validID.MatchString(id) {
		return errors.New("its key is not an endpoint's id")
	}
	c := checker{}
	if c.name(e.Name) != e.Name {
		c.add("name", "starts or ends with a space")
	}
	c.check("url", checkURL(e.URL, nil))
	if patterns := c.events(e.Events); len(c.problems) == 0 && len(patterns) != len(e.Events) {
		c.add("events", "holds a pattern twice")
	}
	if e.Format == "" || c.format(string(e.Format), e.URL) != e.Format {
		c.add("format", "is none")
	}
	if c.signature("signature", specOf(&e.Signature)) != e.Signature || e.Second != nil && c.signature("second_signature", specOf(e.Second)) != *e.Second {
		c.add("signature", "is not complete")
	}
	if headers := c.headers(e.Headers); len(c.problems) == 0 && !maps.Equal(headers, e.Headers) {
		c.add("headers", "are not written as usual")
	}
	c.collision(e)
	c.storedSecrets(e)
	c.storedIdentity(e)
	c.storedPace(e)
	if len(e.DisabledReason) > maxReason || strings.ContainsFunc(e.DisabledReason, func(r rune) bool { return !unicode.IsPrint(r) }) {
		c.add("disabled_reason", "is too long, or not of printable characters")
	}
	if len(c.problems) > 0 {
		return c.problems
	}
	return nil
}

// storedSecrets checks all secrets: those before the newest were chosen for a scheme that may have changed since.
func (c *checker) storedSecrets(e *Endpoint) {
	if len(e.Secrets) == 0 || len(e.Secrets) > maxSecrets {
		c.add("secrets", "must be 1 to %d", maxSecrets)
		return
	}
	c.check("secret", e.checkSecret())
	if !e.Secrets[0].Expires.IsZero() {
		c.add("secret", "expires")
	}
	for i, old := range e.Secrets[1:] {
		if old.Check(signing.SchemeHMAC) != nil {
			c.check(fmt.Sprintf("secrets[%d]", i+1), old.Check(signing.SchemeStandard))
		}
	}
	for _, s := range e.Secrets {
		c.check("secret_type", s.Type.Check())
	}
}

func (c *checker) storedPace(e *Endpoint) {
	if len(e.RetrySchedule) > maxPauses {
		c.add("retry_schedule", "must hold at most %d pauses", maxPauses)
	}
	if slices.ContainsFunc(e.RetrySchedule, func(d Duration) bool { return d <= 0 || d > Duration(maxPause) }) {
		c.add("retry_schedule", "must hold pauses longer than 0 and at most %s", Duration(maxPause))
	}
	if e.Timeout != 0 && (e.Timeout < Duration(minTimeout) || e.Timeout > Duration(maxTimeout)) {
		c.add("timeout", "must be %s to %s", Duration(minTimeout), Duration(maxTimeout))
	}
	if e.Concurrency < 0 || e.Concurrency > maxConcurrency {
		c.add("concurrency", "must be 0 to %d", maxConcurrency)
	}
	if e.RateLimit != nil && (e.RateLimit.Count < 1 || e.RateLimit.Per <= 0) { // null in JSON, say, reads nothing
		c.add("rate_limit", "is none")
	}
}
