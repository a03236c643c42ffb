package provider

import (
	"fmt"
	"strconv"
	"time"
)

// Timestamp is the time at which a sender says it made a request, and how far that may be off. The zero
// Timestamp is not checked.
type Timestamp struct {
	// From is the header that holds it. A request without it does not verify.
	From Value
	Unit Unit
	// Tolerance is how far the time may lie back or ahead.
	Tolerance time.Duration
}

// Unit is how a timestamp is written.
type Unit uint8

// The units of timestamps.
const (
	Seconds      Unit = iota // since 1970, in decimal
	Milliseconds             // since 1970, in decimal
	RFC3339
)

// check returns nil when the request's time is near enough to now.
func (t Timestamp) check(r *Request, now time.Time) error {
	if t.From.kind == nowhere {
		return nil
	}
	s, err := t.From.only(r)
	if err != nil {
		return err
	}
	at, ok := t.Unit.parse(s)
	if !ok {
		return fmt.Errorf("%s is no timestamp: %w", t.From, ErrMalformedHeader)
	}
	switch age := now.Sub(at); {
	case age > t.Tolerance:
		return fmt.Errorf("%s lies %s back: %w", t.From, age.Round(time.Second), ErrTooOld)
	case age < -t.Tolerance:
		return fmt.Errorf("%s lies %s ahead: %w", t.From, (-age).Round(time.Second), ErrTooNew)
	}
	return nil
}

// maxDigits bounds a decimal timestamp: 15 digits are enough for 30,000 years of milliseconds, and cannot
// overflow whatever the unit.
const maxDigits = 15

func (u Unit) parse(s string) (time.Time, bool) {
	if u == RFC3339 {
		t, err := time.Parse(time.RFC3339, s)
		return t, err == nil
	}
	if len(s) > maxDigits {
		return time.Time{}, false
	}
	// Unlike ParseInt, ParseUint takes no sign.
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil {
		return time.Time{}, false
	}
	if u == Milliseconds {
		return time.UnixMilli(int64(n)), true
	}
	return time.Unix(int64(n), 0), true
}
