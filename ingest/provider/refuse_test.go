package provider

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestRefusals shows, for every sender, that only what its secrets made at the right time verifies.
func TestRefusals(t *testing.T) {
	t.Parallel()
	tested := map[string]bool{}
	for _, s := range samples() {
		tested[s.sender] = true
		t.Run(s.sender, func(t *testing.T) {
			t.Parallel()
			c := &cases{t: t, sample: s}
			c.row, _ = Lookup(s.sender)
			c.run()
			if c.accepted < 1 || c.refused < 3 {
				t.Errorf("%d accepted and %d refused; want at least 1 and 3", c.accepted, c.refused)
			}
		})
	}
	for _, row := range table {
		if !tested[row.Name] {
			t.Errorf("no sample of %s", row.Name)
		}
	}
}

// cases are what is tried on one sender.
type cases struct {
	sample
	t                 *testing.T
	row               Sender
	accepted, refused int
}

func (c *cases) bind(secrets ...string) Verifier {
	c.t.Helper()
	v, err := c.row.Scheme.Bind(Binding{Secrets: secrets, Keys: c.keys})
	if err != nil {
		c.t.Fatal(err)
	}
	return v
}

func (c *cases) accepts(name string, v Verifier, r *Request, now time.Time) {
	c.t.Helper()
	c.accepted++
	if err := v.Verify(r, now); err != nil {
		c.t.Errorf("%s: %v", name, err)
	}
}

// refuses wants one of the errors, which must not tell the secret or the proof.
func (c *cases) refuses(name string, v Verifier, r *Request, now time.Time, want ...error) {
	c.t.Helper()
	c.refused++
	err := v.Verify(r, now)
	if !slices.ContainsFunc(want, func(w error) bool { return errors.Is(err, w) }) {
		c.t.Errorf("%s: %v, want %v", name, err, want)
	}
	if err == nil {
		return
	}
	if proof := r.Header.Get(c.proof); strings.Contains(err.Error(), c.secrets[0]) || proof != "" && strings.Contains(err.Error(), proof) {
		c.t.Errorf("%s: the error tells a secret or a signature: %v", name, err)
	}
}

// sent is a fresh request by who has the first secret.
func (c *cases) sent() *Request { return c.send(c.secrets[0], c.body, at) }

// given is sent with the lines of one header in the place of its own.
func (c *cases) given(header string, lines ...string) *Request {
	r := c.sent()
	r.Header[http.CanonicalHeaderKey(header)] = lines
	if lines == nil {
		delete(r.Header, http.CanonicalHeaderKey(header))
	}
	return r
}

func (c *cases) run() {
	v := c.bind(c.secrets[0])
	c.accepts("untouched", v, c.sent(), at)
	c.testEvent()
	c.testBody(v)
	c.testSecret(v)
	c.testProof(v)
	c.testSigned(v)
	c.testTime(v)
	c.testSpoils(v)
}

func (c *cases) testSpoils(v Verifier) {
	for _, change := range c.spoils {
		r := c.sent()
		r.Body = []byte(strings.Replace(string(r.Body), change[0], change[1], 1))
		r.Query = strings.Replace(r.Query, change[0], change[1], 1)
		c.refuses(change[0]+" as "+change[1], v, r, at, ErrBadSignature, ErrMissingField)
	}
}

func (c *cases) testEvent() {
	if c.eventType == "" {
		return
	}
	gotType, gotID := c.row.Event(c.sent())
	if gotType != c.eventType || c.eventID != "" && gotID != c.eventID {
		c.t.Errorf("event %q %q, want %q %q", gotType, gotID, c.eventType, c.eventID)
	}
	if c.row.ID.kind == nowhere && gotID != "" {
		c.t.Errorf("an id %q out of nowhere", gotID)
	}
}

func (c *cases) testBody(v Verifier) {
	if !c.row.Scheme.CoversBody() {
		return
	}
	changed := c.sent()
	changed.Body = []byte(strings.Replace(string(changed.Body), "evt_1", "evt_2", 1))
	if string(changed.Body) == string(c.sent().Body) { // it is encoded in there
		changed.Body = []byte(strings.Replace(string(changed.Body), "PG5v", "PG5w", 1))
	}
	c.refuses("a byte changed", v, changed, at, ErrBadSignature)
	none := c.sent()
	none.Body = nil
	c.refuses("no body", v, none, at, ErrBadSignature, ErrMalformedBody, ErrMissingField)
	if c.sender == "aws-sns" {
		return // what is signed are the fields
	}
	longer := c.sent()
	longer.Body = append(longer.Body, " x=y"...)
	c.refuses("bytes added", v, longer, at, ErrBadSignature)
}

func (c *cases) testSecret(v Verifier) {
	other := func() *Request { return c.send(c.secrets[1], c.body, at) }
	c.refuses("another secret", v, other(), at, ErrBadSignature, ErrBadClaim)
	c.refuses("nothing of the sender's", v, request(c.body), at,
		ErrMissingHeader, ErrMissingField, ErrMalformedBody)
	if c.single {
		return
	}
	both := c.bind(c.secrets[0], c.secrets[1])
	c.accepts("the first of two secrets", both, c.sent(), at)
	c.accepts("the second of two secrets", both, other(), at)
}

func (c *cases) testProof(v Verifier) {
	if c.proof == "" {
		return
	}
	good := c.sent().Header.Get(c.proof)
	bad := c.send(c.secrets[1], c.body, at).Header.Get(c.proof)
	c.refuses("no proof", v, c.given(c.proof), at, ErrMissingHeader)
	c.refuses("empty proof", v, c.given(c.proof, ""), at, ErrMalformedHeader, ErrBadSignature)
	if c.garbage != "" {
		c.refuses("garbage", v, c.given(c.proof, c.garbage), at, ErrMalformedHeader)
	}
	c.refuses("half a proof", v, c.given(c.proof, good[:len(good)/2]), at, ErrMalformedHeader, ErrBadSignature)
	c.refuses("repeated, none good", v, c.given(c.proof, bad, bad), at, ErrBadSignature, ErrMalformedHeader, ErrBadClaim)
	many := slices.Repeat([]string{bad}, maxSignatures)
	c.refuses("more proofs than are tried", v, c.given(c.proof, append(many, good)...), at, ErrBadSignature, ErrMalformedHeader, ErrBadClaim)
	// A header that may not be repeated is refused; one that may, taken if any line is good.
	twice := v.Verify(c.given(c.proof, bad, good), at)
	if twice != nil && !errors.Is(twice, ErrMalformedHeader) {
		c.t.Errorf("repeated, one good: %v", twice)
	}
}

// testSigned changes each of the other headers. What is signed or needed is refused; what is neither says nothing
// about who sent it, and must not be where a covered type or id stands without a word in the row.
func (c *cases) testSigned(v Verifier) {
	for name, lines := range c.sent().Header {
		if name == c.proof || name == c.timed || name == "Content-Type" {
			continue
		}
		changed := v.Verify(c.given(name, "other"), at)
		removed := v.Verify(c.given(name), at)
		repeated := v.Verify(c.given(name, lines[0], lines[0]), at)
		if (removed == nil) != (changed == nil) || (removed == nil) != (repeated == nil) {
			c.t.Errorf("%s changed: %v, removed: %v, repeated: %v; want all refused or none", name, changed, removed, repeated)
		}
		if removed != nil {
			c.refuses(name+" removed", v, c.given(name), at, ErrMissingHeader)
			c.refuses(name+" changed", v, c.given(name, "other"), at, ErrBadSignature, ErrMalformedHeader, ErrUnknownKey)
			c.refuses(name+" repeated", v, c.given(name, lines[0], lines[0]), at, ErrMalformedHeader)
		}
	}
}

func (c *cases) testTime(v Verifier) {
	if c.timed != "" && c.timed != c.proof {
		own := c.sent().Header.Get(c.timed)
		c.refuses("no time", v, c.given(c.timed), at, ErrMissingHeader)
		c.refuses("two times", v, c.given(c.timed, own, own), at, ErrMalformedHeader)
		for _, bad := range []string{"", "soon", "-1790000000", "+1790000000", "1790000000.5", "0x6ab12345", "1_790_000_000", "17900000009999999999999", "2026-09-21"} {
			c.refuses("time "+bad, v, c.given(c.timed, bad), at, ErrMalformedHeader)
		}
	}
	if c.tolerance == 0 {
		c.accepts("much later", v, c.sent(), at.Add(10*time.Minute))
		return
	}
	c.accepts("as old as may be", v, c.sent(), at.Add(c.tolerance+c.retries))
	c.refuses("a second too old", v, c.sent(), at.Add(c.tolerance+c.retries+time.Second), ErrTooOld)
	c.accepts("as new as may be", v, c.sent(), at.Add(-c.tolerance))
	c.refuses("a second too new", v, c.sent(), at.Add(-c.tolerance-time.Second), ErrTooNew)
	c.refuses("in the year 0", v, c.sent(), time.Time{}, ErrTooNew)
	if signed, found := c.row.SignedAt(c.sent()); !found || !signed.Equal(at) {
		c.t.Errorf("signed at %s, %t; want %s", signed, found, at)
	}
}
