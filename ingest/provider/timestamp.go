package provider

import (
	"cmp"
	"fmt"
	"strconv"
	"time"
)

// Timestamp is the time at which a sender says it made a request, and how far that may be off. A zero Tolerance
// means that it is not checked.
type Timestamp struct {
	// From is where it stands, nowhere if beside the signature in a header of [Pairs]. A request without it does
	// not verify.
	From Value
	Unit Unit
	// Tolerance is how far the time may lie back or ahead.
	Tolerance time.Duration
	// Retries is how much further it may lie back: for how long the sender tries again, where its tries may have the
	// time of the first one.
	Retries time.Duration
	// Optional allows a request without a timestamp, where the sender leaves it out of some.
	Optional bool
}

// Unit is how a timestamp is written.
type Unit uint8

// The units of timestamps.
const (
	Seconds      Unit = iota // since 1970, in decimal
	Milliseconds             // since 1970, in decimal
	RFC3339
	RFC2822 // as in mail, with the zone in digits
	UTC     // RFC 3339 without a zone, in UTC
	Epoch   // Seconds or Milliseconds, told apart by their length: some senders' pages don't say which
)

// check returns nil when the request's time is near enough to now. Stamp is the one beside the signature.
func (t *Timestamp) check(r *Request, stamp string, now time.Time) error {
	if t.Tolerance == 0 {
		return nil
	}
	if t.From.kind != nowhere {
		if t.Optional && !t.From.present(r) {
			return nil
		}
		var err error
		if stamp, err = t.From.only(r); err != nil {
			return err
		}
	}
	return t.near(r, stamp, now)
}

// near checks a time as it is written.
func (t *Timestamp) near(r *Request, stamp string, now time.Time) error {
	from := t.place()
	at, ok := t.Unit.parse(stamp)
	if !ok {
		return fmt.Errorf("no timestamp: %w", from.malformed())
	}
	return near(from.String(), at, now, cmp.Or(r.Tolerance, t.Tolerance), t.Retries)
}

// place is where the time stands.
func (t *Timestamp) place() Value {
	if t.From.kind == nowhere {
		return Stamp()
	}
	return t.From
}

// read returns the time in r, if there is one. Stamp is the one beside the signature.
func (t *Timestamp) read(r *Request, stamp string) (time.Time, bool) {
	if t.From.kind != nowhere {
		stamp = t.From.find(r)
	}
	return t.Unit.parse(stamp)
}

// near returns nil when at lies no further from now than tolerance, either way, and the time of the sender's retries back.
func near(what string, at, now time.Time, tolerance, retries time.Duration) error {
	switch age := now.Sub(at); {
	case age > tolerance+retries:
		return fmt.Errorf("%s lies %s back: %w", what, age.Round(time.Second), ErrTooOld)
	case age < -tolerance:
		return fmt.Errorf("%s lies %s ahead: %w", what, age.Abs().Round(time.Second), ErrTooNew)
	}
	return nil
}

// maxDigits bounds a decimal timestamp: 15 digits are enough for 30,000 years of milliseconds, and cannot
// overflow whatever the unit.
const maxDigits = 15

// secondsDigits are the most that seconds have until the year 5138. Milliseconds have had more since 1973.
const secondsDigits = 11

func (u Unit) parse(s string) (time.Time, bool) {
	switch u {
	case RFC3339:
		t, err := time.Parse(time.RFC3339, s)
		return t, err == nil
	case RFC2822:
		t, err := time.Parse("Mon, 2 Jan 2006 15:04:05 -0700", s)
		return t, err == nil
	case UTC:
		t, err := time.Parse("2006-01-02T15:04:05", s) // and a fraction
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
	if u == Milliseconds || u == Epoch && len(s) > secondsDigits {
		return time.UnixMilli(int64(n)), true
	}
	return time.Unix(int64(n), 0), true
}
