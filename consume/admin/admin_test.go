package admin_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"jethook/config"
	"jethook/config/quantity"
	"jethook/consume/admin"
	"jethook/consume/admin/operation"
	"jethook/consume/admin/sources"
	"jethook/consume/registry"
	"jethook/publish"
)

const token = "a-token-of-the-tests"

// api is an admin API over its own bus.
type api struct {
	t        testing.TB
	url      string
	bus      *publish.Bus
	registry *registry.Registry
}

// start runs an API that nothing else reaches, with settings that the changes are made to.
func start(t testing.TB, changes ...func(*config.Config)) *api {
	t.Helper()
	return startRunning(t, func(ctx context.Context, a *api, _ *config.Config) {
		_ = a.registry.Run(ctx, a.bus.Queues().Restored, func(registry.Change) {})
	}, changes...)
}

// startRunning runs an API beside something that follows the registry.
func startRunning(t testing.TB, run func(context.Context, *api, *config.Config), changes ...func(*config.Config)) *api {
	t.Helper()
	cfg := config.Default()
	cfg.DataDir = filepath.Join(t.TempDir(), "data")
	cfg.NATSListen = "off"
	cfg.Sync = quantity.Sync(2 * time.Minute) // tests are not after power cuts
	cfg.Sources = []config.Source{{Name: "shop", Provider: "standard-webhooks"}, {Name: "quiet", Provider: "token"}, {Name: "asana", Provider: "asana"}}
	for _, change := range changes {
		change(cfg)
	}
	bus, err := publish.Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(bus.Close)
	registry, err := registry.Open(t.Context(), bus.Buckets().Endpoints, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	a := &api{t: t, bus: bus, registry: registry}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		run(ctx, a, cfg)
	}()
	t.Cleanup(func() {
		stop()
		<-ended
	})
	return a.configured(cfg)
}

// configured returns an API over the same bus with other settings.
func (a *api) configured(cfg *config.Config) *api {
	server := admin.New(admin.Options{
		Config: cfg, Bus: a.bus, Registry: a.registry, Token: config.NewSecret(token), Version: "v1.2.3",
		Log: slog.New(slog.DiscardHandler), Senders: map[string]sources.Verification{"shop": {VerifiedBy: "HMAC", CoversBody: true}, "asana": {Learns: true}},
		Reverify: verifyRight, Sample: signedSample,
	})
	listener := httptest.NewServer(server.Handler())
	a.t.Cleanup(listener.Close)
	return &api{t: a.t, url: listener.URL, bus: a.bus, registry: a.registry}
}

// answer is what the API said.
type answer struct {
	status int
	header http.Header
	body   string
}

// code is the code word of an error.
func (a answer) code() string {
	var f operation.Failure
	if json.Unmarshal([]byte(a.body), &f) != nil {
		return ""
	}
	return f.Detail.Code
}

// fields are the names of the fields that are wrong.
func (a answer) fields() []string {
	var f operation.Failure
	if json.Unmarshal([]byte(a.body), &f) != nil {
		return nil
	}
	var names []string
	for _, field := range f.Detail.Fields {
		names = append(names, field.Field)
	}
	slices.Sort(names)
	return names
}

// do makes one request with the token.
func (a *api) do(method, path, body string) answer {
	a.t.Helper()
	return a.send(method, path, body, http.Header{"Authorization": {"Bearer " + token}})
}

func (a *api) send(method, path, body string, header http.Header) answer {
	a.t.Helper()
	req, err := http.NewRequestWithContext(a.t.Context(), method, a.url+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	req.Header = header
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	defer res.Body.Close()
	content, err := io.ReadAll(res.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(content)}
}

// get makes a request that must succeed with the status, and decodes its answer.
func get[T any](a *api, status int, method, path, body string) (v T) {
	a.t.Helper()
	got := a.do(method, path, body)
	if got.status != status {
		a.t.Fatalf("%s %s: got %d, want %d: %s", method, path, got.status, status, got.body)
	}
	if got.body == "" {
		return v
	}
	if err := json.Unmarshal([]byte(got.body), &v); err != nil {
		a.t.Fatalf("%s %s: %v: %s", method, path, err, got.body)
	}
	return v
}

func TestEverythingNeedsTheToken(t *testing.T) {
	t.Parallel()
	a := start(t)
	requests := []struct{ method, path string }{
		{"GET", "/api/v1/endpoints"},
		{"POST", "/api/v1/endpoints"},
		{"DELETE", "/api/v1/endpoints/ep_1"},
		{"POST", "/api/v1/events"},
		{"GET", "/api/v1/events"},
		{"GET", "/api/v1/events/x"},
		{"GET", "/api/v1/events/x/body"},
		{"POST", "/api/v1/events/x/resend"},
		{"GET", "/api/v1/match"},
		{"GET", "/api/v1/deliveries"},
		{"GET", "/api/v1/deliveries/ep_1.events:evt_1"},
		{"GET", "/api/v1/attempts"},
		{"POST", "/api/v1/deliveries/x/retry"},
		{"GET", "/api/v1/dead"},
		{"POST", "/api/v1/dead/replay"},
		{"GET", "/api/v1/sources"},
		{"PUT", "/api/v1/sources"},
		{"GET", "/api/v1/sources/shop/rejected"},
		{"GET", "/api/v1/sources/shop/rejected/1"},
		{"DELETE", "/api/v1/sources/shop/rejected/1"},
		{"POST", "/api/v1/sources/shop/retry"},
		{"POST", "/api/v1/sources/asana/pair"},
		{"GET", "/api/v1/sources/asana/secret"},
		{"DELETE", "/api/v1/sources/asana/secret"},
		{"GET", "/no/such/path"},
		{"GET", "/"},
	}
	for _, r := range requests {
		for name, value := range map[string]string{
			"none": "", "wrong": "Bearer wrong", "empty": "Bearer ", "part": "Bearer " + token[:5], "longer": "Bearer " + token + "x",
			"other scheme": "Basic " + token, "bare": token,
		} {
			got := a.send(r.method, r.path, "{}", http.Header{"Authorization": {value}})
			if got.status != http.StatusUnauthorized || got.code() != "unauthorized" ||
				!strings.HasPrefix(got.header.Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("%s %s with token %s: %d %s", r.method, r.path, name, got.status, got.body)
			}
		}
	}
	if got := a.send("GET", "/api/v1/sources", "", http.Header{"Authorization": {"bearer " + token}}); got.status != http.StatusOK {
		t.Errorf("the scheme's case must not matter: %d", got.status)
	}
}

func TestNoTokenConfiguredLetsNobodyIn(t *testing.T) {
	t.Parallel()
	a := start(t)
	h := admin.New(admin.Options{Config: config.Default(), Bus: a.bus, Log: slog.New(slog.DiscardHandler)}).Handler()
	for _, value := range []string{"", "Bearer", "Bearer "} {
		r := httptest.NewRequest("GET", "/api/v1/sources", http.NoBody)
		r.Header.Set("Authorization", value)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusUnauthorized {
			t.Errorf("%q: %d", value, w.Code)
		}
	}
}

func TestWhatNeedsNoToken(t *testing.T) {
	t.Parallel()
	a := start(t)
	for _, path := range []string{"/healthz", "/readyz", "/openapi.json"} {
		if got := a.send("GET", path, "", http.Header{}); got.status != http.StatusOK {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	if got := a.send("HEAD", "/healthz", "", http.Header{}); got.status != http.StatusOK {
		t.Errorf("HEAD /healthz: %d", got.status)
	}
}

func TestAnswersAreSafeInBrowsersAndCaches(t *testing.T) {
	t.Parallel()
	a := start(t)
	for _, got := range []answer{
		a.do("GET", "/api/v1/sources", ""),
		a.do("GET", "/api/v1/nothing", ""),
		a.send("GET", "/api/v1/sources", "", http.Header{"Origin": {"https://evil.example"}}),
		a.send("OPTIONS", "/api/v1/endpoints", "", http.Header{
			"Origin": {"https://evil.example"}, "Access-Control-Request-Method": {"POST"},
		}),
	} {
		if got.header.Get("X-Content-Type-Options") != "nosniff" || got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("headers missing: %v", got.header)
		}
		for name := range got.header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("a CORS header: %s", name)
			}
		}
	}
}

func TestServeStopsGracefully(t *testing.T) {
	t.Parallel()
	a := start(t)
	server := admin.New(admin.Options{
		Config: config.Default(), Bus: a.bus, Token: config.NewSecret(token), Log: slog.New(slog.DiscardHandler),
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, l) }()
	res, err := http.Get("http://" + l.Addr().String() + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("it still listens")
	}
	if err := server.Serve(t.Context(), l); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("a closed listener must be an error: %v", err)
	}
}
