package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"jethook/config"
	"jethook/publish/backup"
	"jethook/publish/stores"
)

// allPermissions are those that the manual gives to Jethook.
func allPermissions(t *testing.T) (all []permission) {
	t.Helper()
	opts := readmeOptions(t)
	for _, verb := range []string{"publish", "subscribe"} {
		for _, subject := range *(permission{verb: verb}).of(opts) {
			all = append(all, permission{verb, subject})
		}
	}
	return all
}

// eachWithout starts a server with an account for each permission, whose login has all the others. Where nobody may ask what a
// login may do, what is missing shows only when it is needed.
func eachWithout(t *testing.T, all []permission) (url func(lacks permission) string) {
	t.Helper()
	var text strings.Builder
	user := map[permission]string{}
	text.WriteString("accounts {\n")
	for i, lacks := range all {
		allowed := map[string][]string{}
		for _, p := range all {
			if p != lacks && p != asks {
				allowed[p.verb] = append(allowed[p.verb], strconv.Quote(p.subject))
			}
		}
		user[lacks] = fmt.Sprint("user-", i)
		fmt.Fprintf(&text, "A%d { jetstream: enabled, users: [{user: %s, password: password, permissions: {publish: [%s], subscribe: [%s]}}] }\n",
			i, user[lacks], strings.Join(allowed["publish"], ", "), strings.Join(allowed["subscribe"], ", "))
	}
	text.WriteString("}\n")
	file := filepath.Join(t.TempDir(), "nats.conf")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	opts, err := server.ProcessConfigFile(file)
	if err != nil {
		t.Fatal(err)
	}
	opts.Host, opts.Port, opts.NoSigs, opts.NoLog = "127.0.0.1", server.RANDOM_PORT, true, true
	opts.JetStream, opts.StoreDir, opts.MaxPayload = true, t.TempDir(), 9<<20
	address := readmeCluster(t, opts)
	return func(lacks permission) string { return "nats://" + user[lacks] + ":password@" + address }
}

// inProcess are the settings of a Jethook of the test's own process.
func inProcess(t *testing.T, natsURL string) *config.Config {
	t.Helper()
	cfg := config.Default()
	cfg.Listen, cfg.AdminListen, cfg.DataDir, cfg.NATSURL = "127.0.0.1:0", "127.0.0.1:0", t.TempDir(), natsURL
	cfg.AdminToken, cfg.LargeBodies, cfg.RetrySchedule = config.NewSecret("token-for-tests-only"), true, nil
	cfg.AllowedNetworks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	cfg.Sources = []config.Source{{
		Name: "acme", Provider: "hmac", Secrets: []config.Secret{config.NewSecret(secret)}, Header: "X-Acme-Signature", ID: "json:id", MaxBody: 16 << 20,
	}}
	return cfg
}

// Each permission that the manual gives to Jethook is needed: without it the server refuses something that Jethook does, at its
// start or when it works.
func TestEachPermissionIsNeeded(t *testing.T) {
	t.Parallel()
	all := allPermissions(t)
	url := eachWithout(t, all)
	var tests sync.WaitGroup // they wait most of the time: more of them than processors may run at once
	for _, lacks := range all {
		tests.Go(func() {
			t.Run(lacks.verb+" "+lacks.subject, func(t *testing.T) { lacks.isNeeded(t, url(lacks)) })
		})
	}
	tests.Wait()
}

func (lacks permission) isNeeded(t *testing.T, url string) {
	said := &processLog{}
	log := slog.New(slog.NewTextHandler(said, nil))
	if lacks == flows {
		fillEndpoints(t, url)
	}
	cfg := inProcess(t, url)
	b, err := openBridge(t.Context(), cfg, receiving|delivering, log)
	if err != nil {
		if !lacks.named(err.Error()) {
			t.Errorf("the start ends with: %v", err)
		}
		return
	}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	running.Go(func() { b.run(ctx) })
	running.Go(func() {
		doEverything(ctx, cfg, &process{public: b.public.Addr().String(), admin: b.private.Addr().String()}, log)
	})
	defer func() {
		if t.Failed() {
			t.Logf("the log says:\n%s", said)
		}
	}()
	eventually(t, "it is missed", func() bool {
		switch lacks {
		case asks: // and nothing that the others allow is refused
			return strings.Contains(said.String(), asks.subject) && strings.Contains(said.String(), backupWhole)
		case backsUp: // JetStream gives up when nobody says what has come
			return strings.Contains(said.String(), backupFails)
		default:
			return lacks.named(said.String())
		}
	})
	if lacks == asks && strings.Contains(said.String(), "lacks a permission") {
		t.Error("something is refused that the manual does not allow")
	}
}

// The last lines of doEverything.
const backupWhole, backupFails = "the backup is whole", "the backup failed"

// doEverything does what needs a permission of the login, as far as it may.
func doEverything(ctx context.Context, cfg *config.Config, p *process, log *slog.Logger) {
	client := &http.Client{Timeout: 10 * time.Second}
	call := func(method, path, body string) {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		if _, err := p.call(ctx, method, path, body, nil); err != nil {
			log.Info("not done", "path", path, "error", err)
		}
	}
	call("GET", "/api/v1/status", "")
	call("POST", "/api/v1/endpoints", `{"name":"refuses","url":"http://127.0.0.1:1","events":["webhooks.>","events.>"]}`)
	call("POST", "/api/v1/events", `{"type":"order.paid","data":{}}`)
	p.post(ctx, client, "evt_1", secret)
	p.post(ctx, client, "evt_2", "another key")
	random := make([]byte, 10<<20) // of which a backup is as large, and more than JetStream sends unasked
	rand.Read(random)
	large := fmt.Appendf(nil, `{"id":"evt_3","type":"a","data":"%s"}`, base64.StdEncoding.EncodeToString(random))
	if req, err := p.signed(ctx, large, secret); err == nil {
		if res, err := client.Do(req); err == nil {
			res.Body.Close()
		}
	}
	store, err := stores.Open(ctx, cfg, log)
	if err == nil {
		defer store.Close()
		_, err = backup.Write(ctx, store, io.Discard, backup.Options{Version: version(), Progress: func(string, ...any) {}})
	}
	if err != nil {
		log.Info(backupFails, "error", err)
	} else {
		log.Info(backupWhole)
	}
}
