package ingest

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"jethook/config"
	"jethook/ingest/header"
	"jethook/ingest/provider"
	"jethook/publish/quarantine"
	"jethook/publish/query"
)

// recorded is a sample request of a sender, with all that it needs to verify.
type recorded struct {
	ID         string         `json:"id"`
	Preset     string         `json:"preset"`
	Kind       string         `json:"kind"`
	Secret     string         `json:"secret"`
	URL        string         `json:"url"`
	Headers    map[string]any `json:"headers"` // a list stands for a repeated header
	Body       string         `json:"body"`
	BodyBase64 string         `json:"body_base64"`
	Now        *int64         `json:"now"`
	Valid      bool           `json:"valid"`
	Options    struct {
		Certs    map[string]string `json:"certs"` // by address
		Audience string            `json:"audience"`
		Email    string            `json:"email"`
	} `json:"options"`
}

// wrongSecrets are those of senders whose secret is not just any text.
var wrongSecrets = map[string]string{
	"discord-events":            "11f43b2a2b1fcb0b0dd9a3b0a5e5e0e2f0a6e0f7f4e1ad1d5f6e6f5a4b3c2d1e",
	"standard-webhooks-ed25519": "whpk_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32))),
	"sendgrid":                  "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEVs/o5+uQbTjL3chynL4wXgUg2R9q9UU8I5mEovUf86QZ7kOBIjJwqnzD1omageEHWwHdBO6B+dFabmdT9POxg==",
	"aws-sns":                   "arn:aws:sns:us-east-2:1:other",
	"adyen":                     strings.Repeat("0", 64),
	"adyen-platform":            strings.Repeat("0", 64),
	"braintree":                 "integration_public_key:another",
	"postmark":                  "hook:another",
}

// wrong is a secret of the same form as r's.
func (r *recorded) wrong() string {
	if secret := wrongSecrets[r.Preset]; secret != "" {
		return secret
	}
	if prefix, _, found := strings.Cut(r.Secret, "whsec_"); found {
		return prefix + "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))
	}
	return base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 48)))
}

func (r *recorded) server(t *testing.T, secret string, rig *rig, now time.Time) *Server {
	t.Helper()
	s, err := New(Options{
		Sources: []config.Source{{
			Name: r.Preset, Provider: r.Preset, Secrets: []config.Secret{config.NewSecret(secret)}, URL: r.URL, Split: true,
			Audience: r.Options.Audience, Email: r.Options.Email,
		}},
		Publisher: rig.bus, Rejecter: rig.bus.Rejected(), MaxBody: 1 << 20, Log: slog.New(slog.DiscardHandler),
		Web: &http.Client{Transport: &amazon{certs: r.Options.Certs}}, Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (r *recorded) request(t *testing.T, url string) *http.Request {
	body := r.Body
	if r.BodyBase64 != "" {
		decoded, err := base64.StdEncoding.DecodeString(r.BodyBase64)
		if err != nil {
			t.Fatal(err)
		}
		body = string(decoded)
	}
	_, query, _ := strings.Cut(r.URL, "?")
	q := request(t, url+"/webhooks/"+r.Preset+"?"+query, body, http.Header{})
	for name, value := range r.Headers {
		switch value := value.(type) {
		case string:
			q.Header.Set(name, value)
		case []any:
			for _, line := range value {
				q.Header.Add(name, line.(string))
			}
		}
	}
	return q
}

// firstOfEach returns a valid event of every sender in the file of vectors whose secret is its operator's.
func firstOfEach(t *testing.T) (all []recorded) {
	t.Helper()
	data, err := os.ReadFile("provider/testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []recorded
	if err := json.Unmarshal(data, &vectors); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, v := range vectors {
		if v.Kind == "event" && v.Valid && v.Secret != "" && !seen[v.Preset] {
			seen[v.Preset] = true
			all = append(all, v)
		}
	}
	return all
}

// Whatever its sender's scheme is, a request that came while the secret was wrong verifies from what was kept of it,
// days later, once the secret is right.
func TestReverifyNeedsOnlyWhatIsKept(t *testing.T) {
	t.Parallel()
	rig := newRig(t)
	families := map[string]bool{}
	for _, v := range firstOfEach(t) {
		came := v.came(t)
		resp, body := do(t, v.request(t, serveHandler(t, v.server(t, v.wrong(), rig, came))))
		if resp.StatusCode/100 != 4 {
			t.Errorf("%s: with a wrong secret answered %d %s", v.ID, resp.StatusCode, body)
			continue
		}
		kept := rig.kept(t, v.Preset)
		before := rig.stored(t)
		right := v.server(t, v.Secret, rig, came.Add(60*time.Hour))
		if reason, err := right.Reverify(t.Context(), &kept); reason != "" || err != nil {
			t.Errorf("%s: refused again: %q, %v; at first %s", v.ID, reason, err, kept.Reason)
		} else if rig.stored(t) <= before || !strings.HasPrefix(rig.last(t).Subject, "webhooks."+v.Preset+".") {
			t.Errorf("%s: nothing stored", v.ID)
		}
		sender, _ := provider.Lookup(v.Preset)
		family, _, _ := strings.Cut(sender.Scheme.String(), " ")
		families[strings.TrimSuffix(family, ",")] = true
	}
	for _, family := range []string{"HMAC-SHA256", "HMAC-SHA1", "Ed25519", "ECDSA", "RSA", "JWT", "token", "basic"} {
		if !families[family] {
			t.Errorf("no sender of family %s among %v", family, families)
		}
	}
}

// came is when the request came: at once, where nothing else is said.
func (r *recorded) came(t *testing.T) time.Time {
	if r.Now != nil {
		return time.Unix(*r.Now, 0)
	}
	sender, _ := provider.Lookup(r.Preset)
	sent := r.request(t, "")
	body, err := io.ReadAll(sent.Body)
	if err != nil {
		t.Fatal(err)
	}
	if signed, found := sender.SignedAt(&provider.Request{Header: sent.Header, Body: body}); found {
		return signed
	}
	return time.Now()
}

// kept waits for the newest rejected request of a source, and returns it as it is stored.
func (r *rig) kept(t *testing.T, source string) (kept quarantine.Request) {
	t.Helper()
	until(t, "the request is kept", func() bool {
		page, _, err := r.bus.Query().Reverse(t.Context(), query.Rejected(source), 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			return false
		}
		kept, err = r.bus.Rejected().Get(t.Context(), page[0].Seq)
		return err == nil
	})
	return kept
}

// What proves who sent a request is kept wherever it stands, and only credentials are named as such.
func TestProofsAreKept(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		source      config.Source
		credentials []string
	}{
		"a signature in Authorization": {config.Source{Provider: "hmac", Header: "authorization"}, nil},
		"a token":                      {config.Source{Provider: "token", Header: "authorization"}, []string{"Authorization"}},
		"a login":                      {config.Source{Provider: "postmark"}, []string{"Authorization"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kept := &drawer{}
			src := test.source
			src.Name, src.Secrets = "src", []config.Secret{config.NewSecret("user:wrong")}
			url := serve(t, Options{Sources: []config.Source{src}, Publisher: accepting, Rejecter: kept})
			do(t, request(t, url+"/webhooks/src", "{}", http.Header{"Authorization": {"Bearer a.b.c"}, "Cookie": {"session=1"}}))
			got := kept.all()[0]
			if got.Header.Get("Authorization") != "Bearer a.b.c" || got.Header.Get("Cookie") != header.LeftOut || !slices.Equal(got.Credentials, test.credentials) {
				t.Errorf("kept %v with credentials %q, want %q", got.Header, got.Credentials, test.credentials)
			}
		})
	}
}
