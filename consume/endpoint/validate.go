package endpoint

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"jethook/consume/endpoint/signing"
)

// Bounds of an endpoint's fields.
const (
	maxNameRunes   = 128
	maxPauses      = 20
	maxPause       = 168 * time.Hour
	minTimeout     = 100 * time.Millisecond
	maxTimeout     = 5 * time.Minute
	maxConcurrency = 1000
)

// FieldError is one thing that is wrong with one field, named as in JSON: "url", "events[2]",
// "signature.header".
type FieldError struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

// Problems is everything that is wrong with a [Spec], in the order of its fields. It holds no secret.
type Problems []FieldError

// Error returns all problems in one line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, f := range p {
		lines[i] = f.Field + " " + f.Message
	}
	return strings.Join(lines, "; ")
}

// checker turns the fields of a Spec into those of an Endpoint and notes what is wrong with them.
type checker struct {
	policy   *AddressPolicy
	problems Problems
}

func (c *checker) add(field, message string, args ...any) {
	c.problems = append(c.problems, FieldError{Field: field, Message: fmt.Sprintf(message, args...)})
}

// check notes err, if any, and reports whether there was none.
func (c *checker) check(field string, err error) bool {
	if err != nil {
		c.add(field, "%s", err.Error())
	}
	return err == nil
}

func (c *checker) require(field string, given bool) {
	if !given {
		c.add(field, "is required")
	}
}

// apply returns e changed as s says.
func (c *checker) apply(e Endpoint, s *Spec, now time.Time) (Endpoint, error) {
	if s.Name != nil {
		e.Name = c.name(*s.Name)
	}
	if s.URL != nil {
		followsURL := e.Format == FormatOf(e.URL)
		if url := strings.TrimSpace(*s.URL); url != e.URL {
			e.URL, e.FailingSince = url, time.Time{} // of another receiver nothing is known
		}
		c.check("url", checkURL(e.URL, c.policy))
		if followsURL || e.Format == "" {
			e.Format = FormatOf(e.URL)
		}
	}
	if s.Events != nil {
		e.Events = c.events(s.Events)
	}
	if s.Format != nil {
		e.Format = c.format(*s.Format, e.URL)
	}
	c.signatures(&e, s)
	c.secret(&e, s)
	if s.Headers != nil {
		e.Headers = c.headers(s.Headers)
	}
	c.identity(&e, s)
	c.collision(&e)
	c.pace(&e, s)
	c.order(&e, s)
	if s.Disabled != nil && *s.Disabled != e.Disabled {
		e.Switch(*s.Disabled, onRequest, now)
	}
	if len(c.problems) > 0 {
		return Endpoint{}, c.problems
	}
	e.UpdatedAt = now.UTC()
	e.Edition++
	return e, nil
}

// pace takes over the fields that say when and how fast deliveries go out.
func (c *checker) pace(e *Endpoint, s *Spec) {
	if s.RetrySchedule != nil {
		e.RetrySchedule = c.schedule(s.RetrySchedule)
	}
	if s.Timeout != nil {
		e.Timeout = c.timeout(*s.Timeout)
	}
	if s.RateLimit != nil {
		e.RateLimit = c.rate(*s.RateLimit)
	}
	if s.Concurrency != nil {
		e.Concurrency = *s.Concurrency
		if e.Concurrency < 0 || e.Concurrency > maxConcurrency {
			c.add("concurrency", "must be 1 to %d, or 0 for the default", maxConcurrency)
		}
	}
}

// order is chosen once: an endpoint that changed over would get what is under way in no order, or twice.
func (c *checker) order(e *Endpoint, s *Spec) {
	if s.Ordered == nil || *s.Ordered == e.Ordered {
		return
	}
	if !e.UpdatedAt.IsZero() {
		c.add("ordered", "can't be changed; create a new endpoint")
		return
	}
	e.Ordered = *s.Ordered
}

func (c *checker) name(raw string) string {
	name := strings.TrimSpace(raw)
	switch {
	case name == "":
		c.add("name", "must not be empty")
	case utf8.RuneCountInString(name) > maxNameRunes:
		c.add("name", "must be at most %d characters long", maxNameRunes)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		c.add("name", "must contain only printable characters")
	}
	return name
}

func (c *checker) events(raw []string) []string {
	if len(raw) == 0 || len(raw) > maxPatterns {
		c.add("events", "must contain 1 to %d subject patterns, such as events.order.* or webhooks.>", maxPatterns)
		return nil
	}
	patterns := make([]string, 0, len(raw))
	for i, pattern := range raw {
		if c.check(fmt.Sprintf("events[%d]", i), checkPattern(pattern)) && !slices.Contains(patterns, pattern) {
			patterns = append(patterns, pattern)
		}
	}
	return patterns
}

func (c *checker) format(raw, url string) Format {
	switch f := Format(raw); f {
	case "":
		return FormatOf(url)
	case FormatRaw, FormatSlack, FormatDiscord, FormatCloudEvents:
		return f
	default:
		c.add("format", "must be %s, %s, %s or %s", FormatRaw, FormatSlack, FormatDiscord, FormatCloudEvents)
		return ""
	}
}

func (c *checker) signatures(e *Endpoint, s *Spec) {
	if s.Signature != nil {
		e.Signature = c.signature("signature", *s.Signature)
	}
	if s.Second == nil {
		return
	}
	e.Second = nil
	if *s.Second != (SignatureSpec{}) {
		second := c.signature("second_signature", *s.Second)
		e.Second = &second
	}
}

// secret replaces the secrets by the one that s gives. Those that stay must fit the schemes too.
func (c *checker) secret(e *Endpoint, s *Spec) {
	var as signing.SecretType
	if s.SecretType != nil {
		as = signing.SecretType(*s.SecretType)
	}
	if !c.check("secret_type", as.Check()) {
		return
	}
	isNew := e.UpdatedAt.IsZero()
	switch {
	case s.Secret != nil && *s.Secret != "":
		next, err := signing.ReadSecret(*s.Secret, as, e.Signature.Scheme, &e.Secrets[0])
		if c.check("secret", err); err != nil {
			return
		}
		e.Secrets = []signing.Secret{next}
	case s.Secret != nil || isNew && as != "":
		e.Secrets = []signing.Secret{signing.Generate(as)}
	case as != "" && as != e.Secrets[0].Kind(e.Signature.Scheme):
		c.add("secret_type", "can only be set together with secret; set both, or rotate")
	}
	c.check("secret", e.checkSecret())
}

// schedule never returns nil for a schedule of its own: nil is the default one.
func (c *checker) schedule(raw []string) []Duration {
	if len(raw) == 1 && raw[0] == "default" {
		return nil
	}
	if len(raw) > maxPauses {
		c.add("retry_schedule", "must contain at most %d pauses", maxPauses)
		return nil
	}
	pauses := make([]Duration, len(raw))
	for i, text := range raw {
		field := fmt.Sprintf("retry_schedule[%d]", i)
		if !c.check(field, pauses[i].UnmarshalText([]byte(text))) {
			continue
		}
		if pauses[i] <= 0 || pauses[i] > Duration(maxPause) {
			c.add(field, "must be longer than 0 and at most %s", Duration(maxPause))
		}
	}
	return pauses
}

func (c *checker) timeout(raw string) (d Duration) {
	if raw == "" || !c.check("timeout", d.UnmarshalText([]byte(raw))) {
		return 0
	}
	if d < Duration(minTimeout) || d > Duration(maxTimeout) {
		c.add("timeout", "must be %s to %s", Duration(minTimeout), Duration(maxTimeout))
	}
	return d
}

func (c *checker) rate(raw string) *Rate {
	if raw == "" {
		return nil
	}
	var r Rate
	c.check("rate_limit", r.UnmarshalText([]byte(raw)))
	return &r
}

// sortedKeys makes the order of problems the same every time.
func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
