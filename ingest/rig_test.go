package ingest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"jethook/config"
	"jethook/config/quantity"
	"jethook/ingest/provider"
	"jethook/publish"
	"jethook/publish/bustest"
	"jethook/publish/topology"
)

// rig is a store and a plain NATS client of it.
type rig struct {
	bus    *publish.Bus
	nc     *nats.Conn
	js     jetstream.JetStream
	stream jetstream.Stream // WEBHOOKS

	operator string // the token of an operator's NATS client
}

func newRig(t testing.TB, changes ...func(*config.Config)) *rig {
	t.Helper()
	cfg := config.Default()
	cfg.DataDir = t.TempDir()
	cfg.NATSListen = "127.0.0.1:0"
	cfg.NATSAdminToken = config.NewSecret("an-operator-of-the-tests")
	cfg.Sync = quantity.Sync(2 * time.Minute) // how the store syncs is tested where the store is
	for _, change := range changes {
		change(cfg)
	}
	bus := bustest.Open(t, cfg)
	nc, js := bustest.ClientOf(t, bus.Server().ClientURL(), nats.Token(cfg.NATSAdminToken.Reveal()))
	stream, err := js.Stream(t.Context(), topology.StreamWebhooks)
	if err != nil {
		t.Fatal(err)
	}
	return &rig{bus, nc, js, stream, cfg.NATSAdminToken.Reveal()}
}

// stored is how many events are in the stream.
func (r *rig) stored(t testing.TB) uint64 {
	t.Helper()
	info, err := r.stream.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return info.State.Msgs
}

// last is the newest event in the stream.
func (r *rig) last(t testing.TB) *jetstream.RawStreamMsg {
	t.Helper()
	info, err := r.stream.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	msg, err := r.stream.GetMsg(t.Context(), info.State.LastSeq)
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

// serve starts a server over HTTP and returns its address.
func serve(t testing.TB, o Options) string {
	t.Helper()
	if o.MaxBody == 0 {
		o.MaxBody = 1 << 20
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return serveHandler(t, s)
}

func serveHandler(t testing.TB, s *Server) string {
	t.Helper()
	h := httptest.NewServer(s.Handler())
	t.Cleanup(h.Close)
	return h.URL
}

// plain is a source that signs as polaris does, with the secret "key".
func plain(name string) config.Source {
	return config.Source{Name: name, Provider: "polaris", Secrets: []config.Secret{config.NewSecret("key")}}
}

// signed is a request that plain sources accept.
func signed(t testing.TB, url, body string) *http.Request {
	t.Helper()
	return request(t, url, body, http.Header{"Content-Type": {"application/json"}, "X-Polaris-Signature": {signatureOf(body)}})
}

// signatureOf is what plain sources accept as a body's signature.
func signatureOf(body string) string {
	m := hmac.New(sha256.New, []byte("key"))
	m.Write([]byte(body))
	return hex.EncodeToString(m.Sum(nil))
}

func request(t testing.TB, url, body string, h http.Header) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = h
	return r
}

// do sends r and returns the answer with its body read.
func do(t testing.TB, r *http.Request) (*http.Response, string) {
	t.Helper()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// wantError checks that an answer is the one form of error, with that status and code.
func wantError(t testing.TB, resp *http.Response, body string, status int, code string) {
	t.Helper()
	var e errorBody
	d := json.NewDecoder(bytes.NewReader([]byte(body)))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil || e.Error.Message == "" {
		t.Errorf("answer %q is no error: %v", body, err)
	}
	if resp.StatusCode != status || e.Error.Code != code {
		t.Errorf("answer %d %s, want %d %s", resp.StatusCode, e.Error.Code, status, code)
	}
	if got := resp.Header.Get("Retry-After"); (got != "") != (status >= 500 || status == 429) {
		t.Errorf("Retry-After %q with %d", got, status)
	}
}

// vector is a documented sample of a sender.
type vector struct {
	ID      string            `json:"id"`
	Preset  string            `json:"preset"`
	Secret  string            `json:"secret"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
	Now     *int64            `json:"now"`
	Options struct {
		Certs map[string]string `json:"certs"` // by address
	} `json:"options"`
}

func (v vector) header() http.Header {
	h := http.Header{}
	for name, value := range v.Headers {
		h.Set(name, value)
	}
	return h
}

func (v vector) options(bus Publisher) Options {
	o := Options{
		Publisher: bus,
		Sources:   []config.Source{{Name: v.Preset, Provider: v.Preset, Secrets: []config.Secret{config.NewSecret(v.Secret)}}},
	}
	sender, _ := provider.Lookup(v.Preset)
	signed, found := sender.SignedAt(&provider.Request{Header: v.header(), Body: []byte(v.Body)})
	if v.Now != nil {
		signed, found = time.Unix(*v.Now, 0), true
	}
	if found {
		o.Now = func() time.Time { return signed }
	}
	return o
}

func readVector(t testing.TB, id string) vector {
	t.Helper()
	data, err := os.ReadFile("provider/testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []json.RawMessage // not all have the form of those that are read here
	if err := json.Unmarshal(data, &vectors); err != nil {
		t.Fatal(err)
	}
	for _, text := range vectors {
		var v vector
		if bytes.Contains(text, []byte(`"`+id+`"`)) && json.Unmarshal(text, &v) == nil && v.ID == id {
			return v
		}
	}
	t.Fatalf("no vector %q", id)
	return vector{}
}
