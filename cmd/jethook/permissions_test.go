package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"jethook/publish"
	"jethook/publish/bustest"
	"jethook/publish/topology"
)

// readmeOptions are those of a NATS server with the accounts of the manual, and with nothing else.
func readmeOptions(t *testing.T) *server.Options {
	t.Helper()
	_, text, ok := strings.Cut(publish.Manual, "```\naccounts {\n")
	text, _, end := strings.Cut(text, "\n```\n")
	if !ok || !end {
		t.Fatal("the manual holds no accounts")
	}
	text = strings.NewReplacer("$BRIDGE_PASSWORD", "jethook-password", "$ORDERS_PASSWORD", "orders-password").Replace("accounts {\n" + text)
	file := filepath.Join(t.TempDir(), "nats.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	opts, err := server.ProcessConfigFile(file)
	if err != nil {
		t.Fatal(err)
	}
	opts.Host, opts.Port, opts.NoSigs, opts.NoLog = "127.0.0.1", server.RANDOM_PORT, true, true
	opts.JetStream, opts.StoreDir, opts.MaxPayload = true, t.TempDir(), 9<<20
	return opts
}

// readmeCluster starts that server.
func readmeCluster(t *testing.T, opts *server.Options) (address string) {
	t.Helper()
	return strings.TrimPrefix(bustest.NATSServer(t, func(o *server.Options) { *o = *opts }), "nats://")
}

// permission is one that the manual gives to Jethook.
type permission struct{ verb, subject string }

func (p permission) of(o *server.Options) *[]string {
	user := o.Users[slices.IndexFunc(o.Users, func(u *server.User) bool { return u.Username == "jethook" })]
	if p.verb == "publish" {
		return &user.Permissions.Publish.Allow
	}
	return &user.Permissions.Subscribe.Allow
}

// without starts that server without some of the permissions, and prepares a jethook on it.
func without(t *testing.T, lacks ...permission) *process {
	t.Helper()
	opts := readmeOptions(t)
	for _, p := range lacks {
		list := p.of(opts)
		before := len(*list)
		if *list = slices.DeleteFunc(*list, func(s string) bool { return s == p.subject }); len(*list) == before {
			t.Fatalf("the manual does not let Jethook %s", p)
		}
	}
	url := "nats://jethook:jethook-password@" + readmeCluster(t, opts)
	return newProcess(t, "JETHOOK_NATS_URL="+url, "JETHOOK_LARGE_BODIES=true", "JETHOOK_SOURCE_ACME_MAX_BODY=16MiB")
}

// eachPermission runs a test for each permission of the manual.
func eachPermission(t *testing.T, run func(*testing.T, permission)) {
	t.Helper()
	for _, p := range allPermissions(t) {
		t.Run(p.verb+" "+p.subject, func(t *testing.T) {
			t.Parallel()
			run(t, p)
		})
	}
}

// named reports whether a text says that the permission is missing, or a part of it.
func (p permission) named(text string) bool {
	for line := range strings.Lines(text) {
		_, lacks, found := strings.Cut(line, "lacks a permission: it may not ")
		lacks, _, _ = strings.Cut(lacks, ";")
		for one := range strings.SplitSeq(lacks, ", may not ") {
			verb, subject, _ := strings.Cut(strings.Replace(one, " to ", " ", 1), " ")
			if found && verb == p.verb && server.SubjectsCollide(subject, p.subject) {
				return strings.Contains(line, "jethook help nats")
			}
		}
	}
	return false
}

// asks lets the start learn what the login may do. A start needs backsUp never, and flows only for many endpoints.
var (
	asks    = permission{"publish", "$SYS.REQ.USER.INFO"}
	backsUp = permission{"publish", "$JS.SNAPSHOT.>"}
	flows   = permission{"publish", "$JS.FC.>"}
)

// A start without one of the permissions ends, and names what is missing.
func TestMissingPermissionEndsTheStart(t *testing.T) {
	t.Parallel()
	eachPermission(t, func(t *testing.T, lacks permission) {
		p := without(t, lacks)
		switch lacks {
		case asks:
			p.start(t, "serve")
			if !strings.Contains(p.log.String(), asks.subject) {
				t.Errorf("it does not say so: %s", p.log)
			}
			return
		case backsUp:
			t.Skip("a start does not need it")
		case flows:
			fillEndpoints(t, p.setting("JETHOOK_NATS_URL"))
		}
		cmd := exec.CommandContext(t.Context(), binary, "serve")
		cmd.Env = p.env
		out, err := cmd.CombinedOutput()
		if last := out[bytes.LastIndexByte(bytes.TrimSpace(out), '\n')+1:]; err == nil || !lacks.named(string(last)) {
			t.Errorf("it ends with %v:\n%s", err, out)
		}
		if strings.Contains(string(out), "waiting for") {
			t.Errorf("it waits for what never comes:\n%s", out)
		}
	})
}

// fillEndpoints stores more than the server sends without being asked for more.
func fillEndpoints(t *testing.T, url string) {
	t.Helper()
	_, js := bustest.ClientOf(t, url)
	kv, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: topology.BucketEndpoints})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 80 {
		if _, err := kv.Put(t.Context(), fmt.Sprint("ep_", i), make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
	}
}
