package provider

import (
	"encoding/json"
	"net/http"
	"os"
	"testing"
	"time"
)

// vector is one published or derived sample request.
type vector struct {
	ID        string         `json:"id"`
	Preset    string         `json:"preset"`
	Secret    string         `json:"secret"`
	Method    string         `json:"method"`
	Headers   map[string]any `json:"headers"` // a list stands for a repeated header
	Body      string         `json:"body"`
	Now       *int64         `json:"now"`
	Valid     bool           `json:"valid"`
	Why       string         `json:"reason"`
	EventType *string        `json:"event_type"`
	EventID   *string        `json:"event_id"`
}

func readVectors(t testing.TB) []vector {
	t.Helper()
	data, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	if err := json.Unmarshal(data, &vectors); err != nil {
		t.Fatal(err)
	}
	return vectors
}

func (v vector) request() *Request {
	r := &Request{Method: v.Method, Header: http.Header{}, Body: []byte(v.Body)}
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

// now is the vector's clock. Where it says none, its scheme looks at none.
func (v vector) now() time.Time {
	if v.Now == nil {
		return time.Time{}
	}
	return time.Unix(*v.Now, 0)
}

func TestVectors(t *testing.T) {
	t.Parallel()
	words := map[string]string{
		"tampered_body": "bad_signature", "wrong_secret": "bad_signature", "expired": "too_old", "future": "too_new",
	}
	covered := map[string]bool{}
	for _, v := range readVectors(t) {
		covered[v.Preset] = covered[v.Preset] || v.Valid
		t.Run(v.ID, func(t *testing.T) {
			t.Parallel()
			s, found := Lookup(v.Preset)
			if !found {
				t.Fatalf("no sender %q", v.Preset)
			}
			r := v.request()
			err := bind(t, s, v.Secret).Verify(r, v.now())
			if !v.Valid {
				if got := Reason(err); got != words[v.Why] {
					t.Fatalf("Verify: %v, reason %q; want %q", err, got, words[v.Why])
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			gotType, gotID := s.Event(r)
			if want := value(v.EventType); gotType != want {
				t.Errorf("type %q, want %q", gotType, want)
			}
			if want := value(v.EventID); gotID != want {
				t.Errorf("id %q, want %q", gotID, want)
			}
		})
	}
	for _, s := range table {
		if !covered[s.Name] {
			t.Errorf("no vector that %s accepts", s.Name)
		}
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
