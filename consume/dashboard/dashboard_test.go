package dashboard_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"jethook/config"
	"jethook/config/logtest"
	"jethook/config/quantity"
	"jethook/consume"
	"jethook/consume/admin"
	adminsources "jethook/consume/admin/sources"
	"jethook/consume/dashboard"
	"jethook/consume/dashboard/sources"
	"jethook/consume/endpoint"
	"jethook/consume/registry"
	"jethook/publish"
	"jethook/publish/event"
	"jethook/publish/quarantine"
	"jethook/publish/report"
	"jethook/publish/topology"
)

const (
	adminToken = "the-admin-token-of-the-tests"
	readToken  = "the-read-token-of-the-tests"
)

// rig is a dashboard on the admin listener of a real engine over an embedded server, with a receiver to deliver to.
type rig struct {
	t        testing.TB
	url      string
	cfg      *config.Config
	bus      *publish.Bus
	registry *registry.Registry
	log      *logtest.Buffer

	receiver *httptest.Server
	mu       sync.Mutex
	answer   http.HandlerFunc // of the receiver; nil: 200
	stalled  map[string]float64
}

// start runs everything, with settings that the changes are made to.
func start(t testing.TB, changes ...func(*config.Config)) *rig {
	t.Helper()
	cfg := config.Default()
	cfg.DataDir = filepath.Join(t.TempDir(), "data")
	cfg.NATSListen = "off"
	cfg.Sync = quantity.Sync(2 * time.Minute) // tests are not after power cuts
	cfg.AllowedNetworks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	cfg.AdminReadToken = config.NewSecret(readToken)
	cfg.RetrySchedule = quantity.Schedule{time.Hour}
	cfg.Sources = []config.Source{
		{Name: "shop", Provider: "standard-webhooks", Secrets: []config.Secret{config.NewSecret("whsec_c291cmNlLXNlY3JldC1vZi10aGUtdGVzdHM=")}},
		{Name: "asana", Provider: "asana"},
	}
	for _, change := range changes {
		change(cfg)
	}
	r := &rig{t: t, cfg: cfg, log: &logtest.Buffer{}}
	log := slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	if r.bus, err = publish.Open(t.Context(), cfg, log); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.bus.Close)
	if r.registry, err = registry.Open(t.Context(), r.bus.Buckets().Endpoints, nil, log); err != nil {
		t.Fatal(err)
	}
	r.receiver = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		answer := r.answer
		r.mu.Unlock()
		if answer != nil {
			answer(w, req)
		}
	}))
	t.Cleanup(r.receiver.Close)
	r.serve(log)
	return r
}

// serve starts the engine, the API and the dashboard.
func (r *rig) serve(log *slog.Logger) {
	engine := consume.New(r.bus, r.registry, r.cfg, "v1.2.3", log)
	api := admin.New(admin.Options{
		Config: r.cfg, Bus: r.bus, Registry: r.registry, Token: config.NewSecret(adminToken), Version: "v1.2.3", Log: log,
		Senders: map[string]adminsources.Verification{"shop": {VerifiedBy: "HMAC", CoversBody: true}, "asana": {Learns: true}},
		Sample: func(string) (http.Header, []byte, bool) {
			return http.Header{"X-Signature": {"of a sample " + hostile}}, []byte(`{"a":"` + hostile + `"}`), true
		},
		Reverify: func(_ context.Context, rejected *quarantine.Request) (string, error) {
			if strings.HasPrefix(string(rejected.Body), "right") {
				return "", nil
			}
			return "bad_signature", nil
		},
	})
	pages := dashboard.New(dashboard.Options{
		Config: r.cfg, Bus: r.bus, Registry: r.registry, API: api, Token: config.NewSecret(adminToken), Version: "v1.2.3", Log: log,
		Explain: func(context.Context, *quarantine.Request) (*sources.Explanation, error) {
			return &sources.Explanation{Reason: "bad_signature", Text: "explained " + hostile, Hints: []string{"a hint"}, Signed: "the signed bytes " + hostile, SignedSize: 16}, nil
		},
	})
	api.Mount(pages.Around)
	ctx, stop := context.WithCancel(context.Background())
	var g errgroup.Group
	g.Go(func() error { return engine.Run(ctx) })
	g.Go(func() error { return pages.Run(ctx) })
	g.Go(func() error {
		return r.bus.Processes().Answer(ctx, func() report.Process {
			p := report.Process{Peer: report.Peer{ID: "p1", Role: "serve", Host: "here"}, Version: "v1.2.3"}
			p.Known, p.Endpoints = len(r.registry.All()), engine.Report()
			r.mu.Lock()
			defer r.mu.Unlock()
			p.Stalled = r.stalled
			return p
		})
	})
	listener := httptest.NewServer(api.Handler())
	r.t.Cleanup(func() {
		listener.Close()
		stop()
		if err := g.Wait(); err != nil {
			r.t.Error(err)
		}
	})
	r.url = listener.URL
}

// answers lets the receiver answer so.
func (r *rig) answers(h http.HandlerFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = h
}

// stalls lets the process report for how many seconds each stream has brought it nothing.
func (r *rig) stalls(seconds map[string]float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stalled = seconds
}

// browser is one browser: it keeps cookies, and asks for pages.
type browser struct {
	*rig
	cookies map[string]*http.Cookie
	header  http.Header // of every request
}

func (r *rig) browser() *browser {
	return &browser{rig: r, cookies: map[string]*http.Cookie{}, header: http.Header{"Accept": {"text/html,application/xhtml+xml"}}}
}

// signedIn is a browser with a session.
func (r *rig) signedIn(token string) *browser {
	r.t.Helper()
	b := r.browser()
	if got := b.post("/login", url.Values{"token": {token}}); got.status != http.StatusSeeOther {
		r.t.Fatalf("signing in: %d %s", got.status, got.body)
	}
	return b
}

// shown is what a browser got. It follows no redirect.
type shown struct {
	status int
	header http.Header
	body   string
}

func (b *browser) do(method, path string, form url.Values, header http.Header) shown {
	b.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.url+path, body)
	if err != nil {
		b.t.Fatal(err)
	}
	for name, values := range b.header {
		req.Header[name] = values
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, values := range header {
		req.Header[name] = values
		if name == "Host" {
			req.Host = values[0]
		}
	}
	for _, c := range b.cookies {
		req.AddCookie(c)
	}
	res, err := (&http.Transport{}).RoundTrip(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	content, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, c := range res.Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c
		}
	}
	return shown{res.StatusCode, res.Header, string(content)}
}

func (b *browser) get(path string) shown { b.t.Helper(); return b.do("GET", path, nil, nil) }

// page gets a page that must be there.
func (b *browser) page(path string) string {
	b.t.Helper()
	got := b.get(path)
	if got.status != http.StatusOK {
		b.t.Fatalf("GET %s: %d %s", path, got.status, got.body)
	}
	return got.body
}

func (b *browser) post(path string, form url.Values) shown {
	b.t.Helper()
	return b.do("POST", path, form, http.Header{"Origin": {b.url}, "Sec-Fetch-Site": {"same-origin"}})
}

var csrfField = regexp.MustCompile(`name="csrf" value="([^"]+)"`)

// send posts a form with the token that a page holds.
func (b *browser) send(from, path string, form url.Values) shown {
	b.t.Helper()
	m := csrfField.FindStringSubmatch(b.page(from))
	if m == nil {
		b.t.Fatalf("%s holds no form token", from)
	}
	if form == nil {
		form = url.Values{}
	}
	form.Set("csrf", m[1])
	return b.post(path, form)
}

// until gets a page again and again until it is as wanted.
func (b *browser) until(path string, ok func(page string) bool) string {
	b.t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		page := b.page(path)
		if ok(page) {
			return page
		}
		select {
		case <-tick.C:
		case <-deadline:
			b.t.Fatalf("%s does not become as wanted:\n%s", path, page)
		}
	}
}

// endpoint adds an endpoint at the receiver.
func (r *rig) endpoint(name, path string, events ...string) string {
	r.t.Helper()
	target := r.receiver.URL + path
	ep, err := endpoint.New(&endpoint.Spec{Name: &name, URL: &target, Events: events}, endpoint.NewAddressPolicy(r.cfg.AllowedNetworks), time.Now())
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.registry.Create(r.t.Context(), ep); err != nil {
		r.t.Fatal(err)
	}
	return ep.ID
}

// publish stores an event.
func (r *rig) publish(eventType, id string, body []byte) {
	r.t.Helper()
	e := &event.Event{ID: id, Type: eventType, Subject: topology.EventSubject(eventType), ContentType: "application/json", Received: time.Now(), Body: body}
	if _, err := r.bus.Publish(r.t.Context(), e); err != nil {
		r.t.Fatal(err)
	}
}

// addresses are those that a page leads to or loads.
var addresses = regexp.MustCompile(`\s(href|src|action|hx-get)="([^"]*)"`)

// visits fails if a page of the dashboard has no path among these.
func visits(t *testing.T, paths []string) {
	t.Helper()
	files, err := filepath.Glob("*/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no source: %v", err)
	}
	routes := 0
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`"GET (/[^"]*)"`).FindAllStringSubmatch(string(source), -1) {
			if strings.HasSuffix(file, "_test.go") || strings.HasPrefix(m[1], "/assets/") || m[1] == "/login" {
				continue
			}
			routes++
			pattern := regexp.MustCompile("^" + regexp.MustCompile(`\{[a-z]+\}`).ReplaceAllString(strings.ReplaceAll(m[1], "{$}", ""), `[^/?]+`) + `(\?.*)?$`)
			if !slices.ContainsFunc(paths, pattern.MatchString) {
				t.Errorf("no path of %s is visited", m[1])
			}
		}
	}
	if routes < 20 {
		t.Errorf("only %d routes were found", routes)
	}
}
