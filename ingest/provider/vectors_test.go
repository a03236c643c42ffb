package provider

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// vector is one published or derived sample request.
type vector struct {
	ID         string         `json:"id"`
	Preset     string         `json:"preset"`
	Kind       string         `json:"kind"` // event or handshake
	Secret     *string        `json:"secret"`
	Method     string         `json:"method"`
	URL        *string        `json:"url"`
	Headers    map[string]any `json:"headers"` // a list stands for a repeated header
	Body       string         `json:"body"`
	BodyBase64 string         `json:"body_base64"`
	Now        *int64         `json:"now"`
	Valid      bool           `json:"valid"`
	Why        string         `json:"reason"`
	EventType  *string        `json:"event_type"`
	EventID    *string        `json:"event_id"`
	Options    struct {
		JWKS     json.RawMessage   `json:"jwks"`
		Certs    map[string]string `json:"certs"`
		Audience string            `json:"audience"`
		Email    string            `json:"email"`
	} `json:"options"`
	Expect *struct {
		Status  int               `json:"status"`
		Headers map[string]string `json:"headers"`
		Body    string            `json:"body"`
	} `json:"expect_response"`
}

// readVectors reads vectors.json, vectors-published.json, which are requests that senders' pages and repositories show, and
// vectors-sdk.json, which sdk/vectors.mjs has their own SDKs sign.
func readVectors(t testing.TB) []vector {
	t.Helper()
	files, err := filepath.Glob("testdata/vectors*.json")
	if err != nil || len(files) < 3 {
		t.Fatal(files, err)
	}
	var all []vector
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var vectors []vector
		if err := json.Unmarshal(data, &vectors); err != nil {
			t.Fatal(file, err)
		}
		all = append(all, vectors...)
	}
	return all
}

func (v vector) request(t testing.TB) *Request {
	r := &Request{Method: v.Method, URL: value(v.URL), Header: http.Header{}, Body: []byte(v.Body)}
	_, r.Query, _ = strings.Cut(r.URL, "?")
	if v.BodyBase64 != "" {
		body, err := base64.StdEncoding.DecodeString(v.BodyBase64)
		if err != nil {
			t.Fatal(err)
		}
		r.Body = body
	}
	for name, value := range v.Headers {
		switch value := value.(type) {
		case string:
			r.Header.Set(name, value)
		case []any:
			for _, line := range value {
				r.Header.Add(name, line.(string))
			}
		}
	}
	return r
}

func (v vector) receiver(t testing.TB) *Receiver {
	t.Helper()
	s, found := Lookup(v.Preset)
	if !found {
		t.Fatalf("no sender %q", v.Preset)
	}
	b := Binding{Audience: v.Options.Audience, Email: v.Options.Email}
	if value(v.Secret) != "" {
		b.Secrets = []string{*v.Secret}
	}
	keys := StaticKeys{JWKS: v.Options.JWKS, Certs: map[string][]byte{}}
	for url, cert := range v.Options.Certs {
		keys.Certs[url] = []byte(cert)
	}
	b.Keys = keys
	rc, err := s.Bind(b)
	if err != nil {
		t.Fatal(err)
	}
	return rc
}

// now is the vector's clock. Where it says none, it is the time that the request says itself.
func (v vector) now(t testing.TB) time.Time {
	if v.Now != nil {
		return time.Unix(*v.Now, 0)
	}
	row, _ := Lookup(v.Preset)
	signed, _ := row.SignedAt(v.request(t))
	return signed
}

// vectorReasons are our words for why the vectors' refusals are refused.
var vectorReasons = map[string]string{
	"tampered_body": "bad_signature", "tampered_header": "bad_signature", "wrong_secret": "bad_signature",
	"bad_signature": "bad_signature", "code_mismatch": "bad_signature", "wrong_url": "bad_signature",
	"header_not_delivered": "missing_header", "expired": "too_old", "future": "too_new",
}

func TestVectors(t *testing.T) {
	t.Parallel()
	for _, v := range readVectors(t) {
		t.Run(v.ID, func(t *testing.T) {
			t.Parallel()
			v.test(t)
		})
	}
}

// TestVectorsChanged: what a sender signed does not verify with one byte of its body changed.
func TestVectorsChanged(t *testing.T) {
	t.Parallel()
	for _, v := range readVectors(t) {
		if row, _ := Lookup(v.Preset); !v.Valid || v.Kind != "event" || !row.Scheme.CoversBody() {
			continue
		}
		r, rc := v.request(t), v.receiver(t)
		if len(r.Body) == 0 {
			continue
		}
		r.Body[len(r.Body)/2] ^= 1
		if outcome, err := rc.Receive(r, v.now(t)); err == nil {
			t.Errorf("%s: %+v", v.ID, outcome)
		}
	}
}

func (v vector) test(t *testing.T) {
	rc, r := v.receiver(t), v.request(t)
	outcome, err := rc.Receive(r, v.now(t))
	if !v.Valid {
		if got := Reason(err); got != vectorReasons[v.Why] {
			t.Fatalf("%v, reason %q; want %s", err, got, v.Why)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if v.Expect != nil {
		a := outcome.Answer
		if (outcome.Handshake == "") != (v.Kind == "event") || a.Status != v.Expect.Status || a.Body != v.Expect.Body {
			t.Errorf("handshake %q answered %d %q, want %d %q", outcome.Handshake, a.Status, a.Body, v.Expect.Status, v.Expect.Body)
		}
		for name, want := range v.Expect.Headers {
			got := a.Header[name]
			if name == "Content-Type" {
				got = a.ContentType
			}
			if got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
	}
	if v.Kind == "handshake" {
		return
	}
	gotType, gotID := rc.Sender.Event(r)
	if want := value(v.EventType); gotType != want {
		t.Errorf("type %q, want %q", gotType, want)
	}
	if want := value(v.EventID); gotID != want {
		t.Errorf("id %q, want %q", gotID, want)
	}
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func bind(t testing.TB, s Sender, secrets ...string) Verifier {
	t.Helper()
	v, err := s.Scheme.Bind(Binding{Secrets: secrets})
	if err != nil {
		t.Fatal(err)
	}
	return v
}
