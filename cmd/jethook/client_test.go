package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"jethook/config"
	"jethook/consume/admin"
	"jethook/consume/registry"
	"jethook/publish"
	"jethook/publish/bustest"
	"jethook/publish/delivery"
	"jethook/publish/event"
	"jethook/publish/processes"
	"jethook/publish/report"
)

// serveAdmin runs an admin API, and sets the environment so that the commands find it. Tests that use it are
// not parallel, since the environment is the process's.
func serveAdmin(t *testing.T) *publish.Bus {
	t.Helper()
	const token = "a-token-of-the-tests"
	cfg := bustest.Settings(t)
	cfg.Sources = []config.Source{{Name: "shop", Provider: "standard-webhooks"}}
	log := slog.New(slog.DiscardHandler)
	bus, err := publish.Open(t.Context(), cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(bus.Close)
	endpoints, err := registry.Open(t.Context(), bus.Buckets().Endpoints, nil, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- endpoints.Run(ctx, bus.Queues().Restored, func(registry.Change) {}) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	server := httptest.NewServer(admin.New(admin.Options{
		Config: cfg, Bus: bus, Registry: endpoints, Token: config.NewSecret(token), Log: log, Senders: verifications(cfg.Sources),
	}).Handler())
	t.Cleanup(server.Close)
	t.Setenv("JETHOOK_ADMIN_LISTEN", server.Listener.Addr().String())
	t.Setenv("JETHOOK_ADMIN_TOKEN", token)
	t.Setenv("JETHOOK_DATA_DIR", cfg.DataDir)
	return bus
}

// result is what a command left behind.
type result struct {
	code           int
	stdout, stderr string
}

func jethook(t *testing.T, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), args, &stdout, &stderr)
	return result{code, stdout.String(), stderr.String()}
}

// ok runs a command that must succeed and returns what it printed.
func ok(t *testing.T, args ...string) string {
	t.Helper()
	r := jethook(t, args...)
	if r.code != exitOK {
		t.Fatalf("jethook %s: exit %d: %s", strings.Join(args, " "), r.code, r.stderr)
	}
	return r.stdout
}

// holds checks that text has each line pattern, in which a space stands for any.
func holds(t *testing.T, text string, patterns ...string) {
	t.Helper()
	for _, p := range patterns {
		if !regexp.MustCompile(`(?m)^` + strings.ReplaceAll(p, " ", " +") + ` *$`).MatchString(text) {
			t.Errorf("%q is not in:\n%s", p, text)
		}
	}
}

func TestEventAndDeliveryCommands(t *testing.T) {
	bus := serveAdmin(t)
	holds(t, ok(t, "event", "send", "order.created"), `evt_\w+`)
	holds(t, ok(t, "event", "send", "order.created", "--id", "o-7", "--data", `{"a": [1, 2]}`), `o-7`)
	holds(t, ok(t, "event", "send", "order.created", "--id", "o-7", "--data", `{"a": [1, 2]}`), `o-7 already exists; nothing was added`)

	dead := store(t, "ep_1", "evt_dead", bus.Deliveries().DeadLetter)
	waits := store(t, "ep_1", "evt_waits", bus.Deliveries().Schedule)
	out := ok(t, "delivery", "ls")
	holds(t, out, `ID ENDPOINT STATUS TYPE ATTEMPTS AT NEXT REASON`,
		waits+` - waiting order\.created 1 \S+Z \S+Z status 500`, dead+` - dead order\.created 2 \S+Z - status 500`)
	if strings.Index(out, waits) > strings.Index(out, dead) {
		t.Errorf("not newest first:\n%s", out)
	}
	if out := ok(t, "delivery", "ls", "--status", "dead", "--endpoint", "ep_1", "--since", "1h", "--type", "order.created"); strings.Contains(out, waits) {
		t.Errorf("filter had no effect:\n%s", out)
	}
	holds(t, ok(t, "delivery", "retry", waits), waits+` is being attempted`)
	holds(t, ok(t, "dead", "ls", "--endpoint", "ep_1"), dead+` - dead .*`)
	holds(t, ok(t, "dead", "replay", "--since", "1h", "--endpoint", "ep_2"), `replayed: 0`)
	holds(t, ok(t, "dead", "replay", dead), `replayed: 1`)
	store(t, "ep_1", "evt_dead2", bus.Deliveries().DeadLetter)
	holds(t, ok(t, "dead", "replay", "--endpoint", "ep_1"), `replayed: 1`)
	holds(t, ok(t, "dead", "replay", "--all"), `replayed: 0`)
	holds(t, ok(t, "source", "ls"), `NAME PROVIDER COVERS BODY RECEIVED DUPLICATES LAST SEEN REFUSED HANDSHAKE`, `shop standard-webhooks yes 0 0 - - -`)
}

// store puts a delivery on the bus by write, and returns its id.
func store(t *testing.T, endpoint, anEvent string, write func(*delivery.Delivery, func(error))) string {
	t.Helper()
	d := &delivery.Delivery{
		Endpoint: endpoint, Attempt: 2, Due: time.Now().Add(time.Hour), Why: delivery.WhyRetry, Reason: "status 500",
		Event: event.Event{ID: anEvent, Type: "order.created", Subject: "events.order.created", Received: time.Now(), Body: []byte(`{}`)},
	}
	done := make(chan error, 1)
	write(d, func(err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return d.ID()
}

func TestJSONIsTheAPIs(t *testing.T) {
	serveAdmin(t)
	id := addEndpoint(t)
	for _, args := range [][]string{
		{"endpoint", "ls"},
		{"endpoint", "show", id},
		{"endpoint", "disable", id},
		{"endpoint", "add", "--name", "n", "--url", "https://example.com", "--events", "events.>"},
		{"event", "send", "a", "--id", "e1"},
		{"event", "ls"},
		{"event", "show", "e1"},
		{"event", "match", "events.a"},
		{"delivery", "ls"},
		{"dead", "ls"},
		{"dead", "replay", "--all"},
		{"source", "ls"},
		{"endpoint", "update", id, "--name", "m"},
		{"endpoint", "preview", id},
		{"endpoint", "export"},
	} {
		out := ok(t, append(args, "--json")...)
		if !json.Valid([]byte(out)) || strings.Count(out, "\n") != 1 {
			t.Errorf("%v: %q", args, out)
		}
	}
	if out := ok(t, "endpoint", "rm", id, "--yes", "--json"); out != "" {
		t.Errorf("rm: %q, but the API says nothing", out)
	}
}

func TestExitCodes(t *testing.T) {
	serveAdmin(t)
	tests := []struct {
		args   string
		code   int
		stderr string
	}{
		{"endpoint", exitUsage, `"jethook endpoint" needs a command`},
		{"endpoint list", exitUsage, `unknown command "list"`},
		{"endpoint ls x", exitUsage, "unknown argument"},
		{"endpoint ls --nope", exitUsage, "unknown flag: --nope"},
		{"endpoint show", exitUsage, "ENDPOINT"},
		{"endpoint add", exitUsage, "missing --name"},
		{"endpoint add --name n --url u", exitUsage, "missing --events"},
		{"endpoint add --name n --url u --events e --header x", exitUsage, "--header must be NAME=VALUE"},
		{"endpoint add --name n --url u --events e --concurrency x", exitUsage, "invalid argument"},
		{"endpoint add --name n --url u --events e", exitUsage, "the admin API says: the request is not valid\n  url: "},
		{"endpoint add --name n --url https://example.com --events e,events.> --timeout 1y", exitUsage, "\n  events[0]: "},
		{"endpoint show ep_none", exitFailure, "no such endpoint"},
		{"endpoint rm ep_none", exitFailure, "no such endpoint"},
		{"endpoint show ../sources", exitFailure, `no endpoint has the id or name "../sources"`},
		{"event send", exitUsage, "TYPE"},
		{"event send a --data {", exitUsage, "--data is not valid JSON"},
		{"event send a --data @/no/such/file", exitFailure, "no such file"},
		{"event ls --limit x", exitUsage, "\n  limit: "},
		{"event show", exitUsage, "ID"},
		{"event show none", exitFailure, "no such event is stored"},
		{"event match", exitUsage, "SUBJECT"},
		{"event match orders", exitUsage, "\n  subject: "},
		{"event send a.*", exitUsage, "\n  type: "},
		{"delivery ls --status lost", exitUsage, "\n  status: "},
		{"delivery ls --limit 0", exitUsage, "\n  limit: "},
		{"delivery retry", exitUsage, "ID"},
		{"delivery retry ep_1.events:none", exitFailure, "no such delivery is waiting or dead"},
		{"dead replay", exitUsage, "specify ids, or filters"},
		{"dead replay id --all", exitUsage, "specify only one of"},
		{"dead replay id --since 1h", exitUsage, "specify only one of"},
		{"dead replay --all --since 1h", exitUsage, "specify only one of"},
		{"dead replay *", exitUsage, "\n  ids[0]: "},
		{"source ls --admin http://[::1", exitUsage, "--admin"},
		{"source ls --help", exitOK, ""},
	}
	for _, tt := range tests {
		r := jethook(t, strings.Fields(tt.args)...)
		if r.code != tt.code || !strings.Contains(r.stderr, tt.stderr) || (tt.code == exitOK) != (r.stderr == "") {
			t.Errorf("jethook %s: exit %d, want %d with %q:\n%s", tt.args, r.code, tt.code, tt.stderr, r.stderr)
		}
	}
}

func TestUnreachableAPI(t *testing.T) {
	serveAdmin(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	l.Close()
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	elsewhere := httptest.NewServer(http.RedirectHandler("http://"+closed, http.StatusFound))
	defer elsewhere.Close()
	for name, tt := range map[string]struct{ admin, stderr string }{
		"nothing listens": {closed, "is 'jethook serve' running?"},
		"not Jethook":     {other.URL, "is not a Jethook admin API"},
		"redirects":       {elsewhere.URL + "/", "with status 302, but is not a Jethook admin API"},
	} {
		if r := jethook(t, "source", "ls", "--admin", tt.admin); r.code != exitFailure || !strings.Contains(r.stderr, tt.stderr) {
			t.Errorf("%s: %+v", name, r)
		}
	}
	t.Setenv("JETHOOK_ADMIN_TOKEN", "not-the-token-of-the-server")
	if r := jethook(t, "source", "ls"); r.code != exitFailure || !strings.Contains(r.stderr, "rejected the admin token; set JETHOOK_ADMIN_TOKEN") {
		t.Errorf("wrong token: %+v", r)
	}
	t.Setenv("JETHOOK_ADMIN_TOKEN", "")
	if r := jethook(t, "source", "ls"); r.code != exitFailure || !strings.Contains(r.stderr, "no admin token") {
		t.Errorf("no token: %+v", r)
	}
	t.Setenv("JETHOOK_ADMIN_TOKN", "x")
	if r := jethook(t, "source", "ls"); r.code != exitFailure || !strings.Contains(r.stderr, "JETHOOK_ADMIN_TOKN") {
		t.Errorf("misspelt variable: %+v", r)
	}
}

// TestSourceListTellsOfDuplicates: who has redelivered an event by hand looks there.
func TestSourceListTellsOfDuplicates(t *testing.T) {
	bus := serveAdmin(t)
	if out := ok(t, "source", "ls"); strings.Contains(out, "resend") {
		t.Errorf("told where there are none:\n%s", out)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	own := report.Process{Peer: processes.Self("ingest"), Sources: []report.Source{{Name: "shop", Accepted: 3, Duplicates: 2}}}
	go func() { ended <- bus.Processes().Answer(ctx, func() report.Process { return own }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	out := ""
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(out, "resend") && time.Now().Before(deadline); {
		out = ok(t, "source", "ls")
	}
	holds(t, out, `shop standard-webhooks yes 0 2 - - -`, `Duplicates have the id of an event that is already stored, .*`, `.*jethook event resend ID.*JETHOOK_SOURCE_SHOP_DEDUP=false\.`)
}
