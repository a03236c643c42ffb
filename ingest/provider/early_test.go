package provider

import (
	"net/http"
	"slices"
	"testing"
	"time"
)

// headOf is r as it is before its body has come.
func headOf(r *Request) *Request {
	return &Request{Method: r.Method, URL: r.URL, Query: r.Query, Header: r.Header}
}

// What verifies, or is a handshake, is never refused before its body is read.
func TestEarlyLetsPassWhatVerifies(t *testing.T) {
	t.Parallel()
	passes := func(name string, rc *Receiver, r *Request, now time.Time) {
		if _, err := rc.Receive(r, now); err != nil {
			return
		}
		if undecided, err := rc.Early(headOf(r), now); err != nil && !undecided {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, v := range readVectors(t) {
		passes(v.ID, v.receiver(t), v.request(t), v.now(t))
	}
	for _, s := range samples() {
		row, _ := Lookup(s.sender)
		rc, err := row.Bind(Binding{Secrets: s.secrets[:1], Keys: s.keys})
		if err != nil {
			t.Fatal(s.sender, err)
		}
		passes(s.sender, rc, s.send(s.secrets[0], s.body, at), at)
	}
}

// bodyProofs are the senders that prove themselves in the body, so that nothing can be told before.
var bodyProofs = []string{"adyen", "aws-sns", "braintree", "dropbox-sign", "figma", "mailgun", "microsoft-graph"}

// A request without any proof is refused before its body is read, whoever the sender is; it is read, while it is small,
// only where the sender has a handshake that anyone may send.
func TestEarlyRefusesWithoutProof(t *testing.T) {
	t.Parallel()
	asking := []string{"asana", "monday", "notion", "slack", "woocommerce"}
	for _, s := range samples() {
		row, _ := Lookup(s.sender)
		rc, err := row.Bind(Binding{Secrets: s.secrets[:1], Keys: s.keys})
		if err != nil {
			t.Fatal(s.sender, err)
		}
		undecided, err := rc.Early(&Request{Method: post, URL: sampleURL, Header: http.Header{}}, at)
		if inBody := slices.Contains(bodyProofs, s.sender); (err == nil) != inBody {
			t.Errorf("%s: %v, proof in the body %t", s.sender, err, inBody)
		}
		if undecided != slices.Contains(asking, s.sender) {
			t.Errorf("%s: undecided %t", s.sender, undecided)
		}
	}
}

func TestEarly(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		sender, secret string
		r              *Request
		undecided      bool
		reason         string // empty: none
	}{
		"a signature, right or not":   {"github", "s", asked("POST", "", "", "X-Hub-Signature-256: x"), false, ""},
		"no signature":                {"github", "s", asked("POST", "", ""), false, "missing_header"},
		"a signature in the query":    {"viber", "s", asked("POST", "sig=00", ""), false, ""},
		"neither":                     {"viber", "s", asked("POST", "x=00", ""), false, "missing_header"},
		"another method":              {"github", "s", asked("PUT", "", "", "X-Hub-Signature-256: x"), false, "method"},
		"an event by GET":             {"twilio", "s", asked("GET", "a=b", "", "X-Twilio-Signature: x"), false, ""},
		"a handshake by GET":          {"meta", "s", asked("GET", "hub.mode=subscribe", ""), true, "method"},
		"a token":                     {"gitlab", "s", asked("POST", "", "", "X-Gitlab-Token: s"), true, ""},
		"a wrong token":               {"gitlab", "s", asked("POST", "", "", "X-Gitlab-Token: x"), true, "bad_signature"},
		"no token":                    {"gitlab", "s", asked("POST", "", ""), false, "missing_header"},
		"a token in the address":      {"docker-hub", "s", asked("POST", "token=s", ""), true, ""},
		"a wrong one in the address":  {"docker-hub", "s", asked("POST", "token=x", ""), true, "bad_signature"},
		"none in the address":         {"docker-hub", "s", asked("POST", "", ""), false, "missing_field"},
		"a token in either place":     {"cloudevents", "s", asked("POST", "access_token=s", ""), true, ""},
		"in neither":                  {"cloudevents", "s", asked("POST", "", ""), false, "missing_header"},
		"a login":                     {"postmark", "u:p", asked("POST", "", "", "Authorization: Basic dTpw"), true, ""},
		"a token that came too late":  {"polytomic", "s", asked("POST", "", "", "Authorization: Bearer s", "Polytomic-Signature-Timestamp: 2001-01-01T00:00:00Z"), true, "too_old"},
		"no secret yet":               {"asana", "", asked("POST", "", "", "X-Hook-Signature: x"), true, "no_secret"},
		"no secret yet, another ask":  {"trello", "", asked("POST", "", "", "X-Trello-Webhook: x"), false, "no_secret"},
		"no secret yet, what it asks": {"trello", "", asked("HEAD", "", ""), true, "method"},
	} {
		undecided, err := receiver(t, test.sender, secretsIn(test.secret)...).Early(test.r, at)
		reason := ""
		if err != nil {
			reason = Reason(err)
		}
		if reason != test.reason || err != nil && undecided != test.undecided {
			t.Errorf("%s: %v, undecided %t", name, err, undecided)
		}
	}
}

func secretsIn(secret string) []string {
	if secret == "" {
		return nil
	}
	return []string{secret}
}
