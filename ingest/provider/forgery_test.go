package provider_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"jethook/config"
	"jethook/ingest"
	"jethook/ingest/provider"
	"jethook/publish"
	"jethook/publish/bustest"
	"jethook/publish/topology"
)

// separators are what a secret may be taken apart at.
const separators = ",:;|._ -"

// fragments are all that somebody might take for a secret who reads the whole one wrongly: its parts, what is left when
// some of it is cut off, what those decode to, and keys of next to nothing.
func fragments(secret string) []string {
	found := map[string]bool{"": true, "\x00": true, "\xbf": true, "\xff": true}
	add := func(text string) {
		found[text] = true
		found[strings.TrimSpace(text)] = true
		bare := strings.TrimRight(text, "=")
		for _, decode := range []func(string) ([]byte, error){base64.RawStdEncoding.DecodeString, base64.RawURLEncoding.DecodeString, hex.DecodeString} {
			if b, err := decode(bare); err == nil {
				found[string(b)] = true
			}
		}
	}
	add(secret)
	for i := range len(secret) {
		add(secret[:i])
		add(secret[i:])
	}
	for _, separator := range separators {
		for part := range strings.SplitSeq(secret, string(separator)) {
			add(part)
		}
	}
	for _, part := range strings.FieldsFunc(secret, func(r rune) bool { return strings.ContainsRune(separators, r) }) {
		add(part)
	}
	var list []string
	for text := range found {
		list = append(list, text)
	}
	slices.Sort(list)
	return list
}

// published answers with the keys that the samples' senders publish.
type published map[string]provider.KeySource // by host

func (p published) RoundTrip(r *http.Request) (*http.Response, error) {
	document, err := p[r.URL.Host].Fetch(provider.KeyRequest{URL: r.URL.String()})
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(document)), Request: r}, nil
}

// keyHosts are where those senders publish that have keys.
var keyHosts = map[string]string{
	"google-pubsub": "www.googleapis.com", "plaid": "production.plaid.com", "paypal": "api.paypal.com", "aws-sns": "sns.eu-west-1.amazonaws.com",
}

// TestFragmentsForgeNothing sets every sender of the table up with a secret as its pages write it, by the variables that an
// operator sets. The whole secret signs what is stored; nothing that anybody could take for a part of it does.
func TestFragmentsForgeNothing(t *testing.T) {
	forgeries := provider.Forgeries()
	if rows := provider.All(); len(forgeries) != len(rows)-1 { // shipstation has no secret
		t.Errorf("%d of %d senders are tried", len(forgeries), len(rows))
	}
	hosts, names := published{}, []string{}
	for _, f := range forgeries {
		names = append(names, f.Sender.Name)
		prefix := "JETHOOK_SOURCE_" + strings.ToUpper(strings.ReplaceAll(f.Sender.Name, "-", "_"))
		t.Setenv(prefix+"_SECRET", f.Secret)
		if f.Sender.NeedsURL {
			t.Setenv(prefix+"_URL", provider.SampleURL)
		}
		if f.Keys != nil {
			hosts[keyHosts[f.Sender.Name]] = f.Keys
		}
	}
	t.Setenv("JETHOOK_SOURCES", strings.Join(names, ","))
	t.Setenv("JETHOOK_DATA_DIR", t.TempDir())
	t.Setenv("JETHOOK_NATS_LISTEN", "127.0.0.1:0")
	t.Setenv("JETHOOK_SYNC", "2m")
	cfg, err := config.Load()
	if err != nil {
		t.Fatal(err)
	}
	if problems := ingest.Check(cfg.Sources); len(problems) > 0 {
		t.Errorf("the start stops:\n%v", problems)
	}
	bus := bustest.Open(t, cfg)
	server, err := ingest.New(ingest.Options{
		Sources: cfg.Sources, Publisher: bus, MaxBody: 1 << 20, Log: slog.New(slog.DiscardHandler),
		Web: &http.Client{Transport: hosts}, Now: func() time.Time { return provider.SampleTime },
	})
	if err != nil {
		t.Fatal(err)
	}
	handler := server.Handler()
	for _, f := range forgeries {
		t.Run(f.Sender.Name, func(t *testing.T) {
			before, tried := stored(t, bus), 0
			for _, fragment := range fragments(f.Secret) {
				if strings.TrimRight(fragment, "\x00") == strings.TrimRight(f.Key, "\x00") { // to an HMAC a key is the same with zeros after it
					continue
				}
				tried++
				if status := post(handler, f.Sender.Name, f.Forge(fragment)); status < 400 {
					t.Errorf("the secret is %q; what %q signs is answered %d", f.Secret, fragment, status)
				}
			}
			if tried < 20 {
				t.Errorf("only %d fragments", tried)
			}
			if after := stored(t, bus); after != before {
				t.Errorf("%d forged events are stored", after-before)
			}
			if status := post(handler, f.Sender.Name, f.Genuine()); status != f.Sender.Success.Status {
				t.Errorf("what the whole secret signs is answered %d", status)
			}
			if stored(t, bus) == before {
				t.Error("what the whole secret signs is not stored")
			}
		})
	}
}

// post has the server answer a request as it would come over HTTP.
func post(handler http.Handler, source string, r *provider.Request) (status int) {
	request := httptest.NewRequest(r.Method, "/webhooks/"+source+"?"+r.Query, bytes.NewReader(r.Body))
	request.Header = r.Header
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	return answer.Code
}

// stored is how many events there are.
func stored(t *testing.T, bus *publish.Bus) uint64 {
	t.Helper()
	_, js := bustest.ClientOf(t, bus.Server().ClientURL())
	stream, err := js.Stream(t.Context(), topology.StreamWebhooks)
	if err != nil {
		t.Fatal(err)
	}
	return stream.CachedInfo().State.Msgs
}

// TestPolarFragments is TestFragmentsForgeNothing for a secret that is both text and base64: nothing but the whole of it,
// as it is or decoded, is a key.
func TestPolarFragments(t *testing.T) {
	t.Parallel()
	const token = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwC2FVsBQIhrs="
	const secret = "whsec_" + token
	decoded, err := base64.StdEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	row, _ := provider.Lookup("polar")
	rc, err := row.Bind(provider.Binding{Secrets: []string{secret}})
	if err != nil {
		t.Fatal(err)
	}
	verify := func(key string) error {
		m := hmac.New(sha256.New, []byte(key))
		m.Write([]byte("msg_1.1790000000.{}"))
		_, err := rc.Receive(&provider.Request{Method: http.MethodPost, Body: []byte("{}"), Header: http.Header{
			"Webhook-Id": {"msg_1"}, "Webhook-Timestamp": {"1790000000"}, "Webhook-Signature": {"v1," + base64.StdEncoding.EncodeToString(m.Sum(nil))},
		}}, provider.SampleTime)
		return err
	}
	keys := 0
	for _, fragment := range fragments(secret) {
		whole := fragment == secret || fragment == string(decoded)
		if err := verify(fragment); (err == nil) != whole {
			t.Errorf("what %q signs: %v", fragment, err)
		}
		if whole {
			keys++
		}
	}
	if keys != 2 {
		t.Errorf("%d of the two keys are tried", keys)
	}
}
