package admin_test

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"jethook/config"
	tokens "jethook/config/token"
	"jethook/consume/admin/auditing"
	"jethook/publish/audit"
	"jethook/publish/topology"
)

func auditSamples(a *api) []exchange {
	e := a.create(everything)
	get[struct{}](a, http.StatusOK, "PATCH", "/api/v1/endpoints/"+e.ID, `{"name":"other","url":"https://example.com/?token=x"}`)
	get[struct{}](a, http.StatusNoContent, "DELETE", "/api/v1/endpoints/"+e.ID, "")
	return []exchange{{status: 200}}
}

// by makes a request with another token.
func (a *api) by(token, method, path, body string) answer {
	a.t.Helper()
	return a.send(method, path, body, http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {"application/json"}, "User-Agent": {"a-client/1"}})
}

// withTokens has a file of named tokens; each token is its name and "-token-of-the-tests".
func withTokens(t *testing.T, roles ...string) (path string, change func(*config.Config)) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "tokens")
	writeTokens(t, path, roles...)
	return path, func(c *config.Config) { c.AdminTokensFile = path }
}

// writeTokens writes a token for each role, named by-ROLE.
func writeTokens(t *testing.T, path string, roles ...string) {
	t.Helper()
	lines := []string{"# who may do what", ""}
	for _, role := range roles {
		entry, err := tokens.NewNamed("by-"+role, role, "by-"+role+"-token-of-the-tests")
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, entry.String())
	}
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// What changes something is in the trail, before it happens and after, with who did it and what it changed, and no secret.
func TestAuditTellsWhoChangedWhat(t *testing.T) {
	t.Parallel()
	_, tokens := withTokens(t, "admin", "operate", "read")
	a := start(t, tokens)
	const full = "by-admin-token-of-the-tests"
	made := a.by(full, "POST", "/api/v1/endpoints", `{"name":"billing","url":"https://example.com/hook?key=url-secret","events":["events.>"],
		"secret":"whsec_dGhlLXNlY3JldC1vZi10aGUtdGVzdHM=","headers":{"X-Key":"header-secret"}}`)
	if made.status != http.StatusCreated {
		t.Fatalf("%d %s", made.status, made.body)
	}
	id := strings.TrimPrefix(made.header.Get("Location"), "/api/v1/endpoints/")
	a.by(full, "PATCH", "/api/v1/endpoints/"+id, `{"name":"paying","url":"https://example.com/hook?key=new-secret","headers":null}`)
	a.by("by-operate-token-of-the-tests", "POST", "/api/v1/endpoints/"+id+"/disable", "")
	a.by(full, "GET", "/api/v1/endpoints/"+id+"/secret", "")
	a.by(full, "PATCH", "/api/v1/endpoints/"+id, `{"url":"nonsense"}`)
	got := a.by("by-read-token-of-the-tests", "GET", "/api/v1/audit?endpoint="+id, "")
	for _, secret := range []string{"url-secret", "new-secret", "header-secret", "dGhlLXNl", "-token-of-the-tests"} {
		if strings.Contains(got.body, secret) {
			t.Errorf("the trail holds %s: %s", secret, got.body)
		}
	}
	page := get[auditing.AuditPage](a, http.StatusOK, "GET", "/api/v1/audit", "")
	var told []string
	for _, e := range slices.Backward(page.Items) {
		told = append(told, e.Actor+" "+e.Action+" "+e.Result)
		if e.Agent != "a-client/1" || e.Remote != "127.0.0.1" || e.Time.IsZero() || e.Of == "" && e.Result != "" {
			t.Errorf("an entry without its place: %+v", e)
		}
	}
	want := []string{
		"by-admin endpoint.create ", "by-admin endpoint.create ok", "by-admin endpoint.update ", "by-admin endpoint.update ok",
		"by-operate endpoint.disable ", "by-operate endpoint.disable ok", "by-admin endpoint.reveal ", "by-admin endpoint.reveal ok",
		"by-admin endpoint.update ", "by-admin endpoint.update invalid",
	}
	if !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	update := page.Items[len(page.Items)-4]
	if update.Target != id || !slices.Equal(update.Fields, []string{"headers", "name", "url"}) || len(update.Changes) != 1 ||
		update.Changes["name"].Before != "billing" || update.Changes["name"].After != "paying" {
		t.Errorf("the change is told as %+v", update)
	}
	if c := page.Items[len(page.Items)-2]; c.Target != id || c.Changes["url"].After == nil {
		t.Errorf("the creation is told as %+v", c)
	}
	report := get[audit.Report](a, http.StatusOK, "GET", "/api/v1/audit/verify", "")
	if report.Break != "" || report.Entries != 10 {
		t.Errorf("the chain: %+v", report)
	}
	a.checkAuditFilters(id)
}

// checkAuditFilters holds the filters and pages of the trail against each other.
func (a *api) checkAuditFilters(id string) {
	a.t.Helper()
	for query, want := range map[string]int{
		"actor=by-operate": 2, "actor=nobody": 0, "action=endpoint": 10, "action=endpoint.update": 4, "action=end": 0, "endpoint=" + id: 9, "since=1h": 10, "until=1h": 0,
	} {
		if got := get[auditing.AuditPage](a, http.StatusOK, "GET", "/api/v1/audit?"+query, ""); len(got.Items) != want {
			a.t.Errorf("%s: %d entries, want %d", query, len(got.Items), want)
		}
	}
	seen := map[string]bool{}
	for cursor := ""; ; {
		page := get[auditing.AuditPage](a, http.StatusOK, "GET", "/api/v1/audit?limit=3&cursor="+cursor, "")
		for _, e := range page.Items {
			seen[e.ID] = true
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	if len(seen) != 10 {
		a.t.Errorf("the pages hold %d entries", len(seen))
	}
	if bad := a.do("GET", "/api/v1/audit?cursor=x.y", ""); bad.status != http.StatusUnprocessableEntity {
		a.t.Errorf("a bad cursor: %d", bad.status)
	}
}

// What can't be noted does not happen.
func TestWithoutAuditNothingHappens(t *testing.T) {
	t.Parallel()
	const operator = "an-operator-of-the-tests"
	a := start(t, func(c *config.Config) { c.NATSListen, c.NATSAdminToken = "127.0.0.1:0", config.NewSecret(operator) })
	e := a.create(minimal)
	nc, err := nats.Connect(a.bus.Server().ClientURL(), nats.Token(operator))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err == nil {
		err = js.DeleteStream(t.Context(), topology.StreamAudit)
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := a.do("POST", "/api/v1/endpoints", minimal); got.status != http.StatusServiceUnavailable {
		t.Errorf("creating: %d %s", got.status, got.body)
	}
	if got := a.do("DELETE", "/api/v1/endpoints/"+e.ID, ""); got.status != http.StatusServiceUnavailable {
		t.Errorf("removing: %d %s", got.status, got.body)
	}
	if got := a.do("GET", "/api/v1/endpoints/"+e.ID, ""); got.status != http.StatusOK {
		t.Errorf("what was not to be removed: %d", got.status)
	}
}

// operators are the operations that change something and that an operator may do. All others need an admin: a new one
// that says nothing of it is found here.
var operators = []string{
	"enable-endpoint", "disable-endpoint", "test-endpoint", "recover-endpoint", "cancel-recovery", "retry-delivery", "replay-dead", "resend-event", "retry-rejected",
}

func TestOperatorsDoNotChangeEndpoints(t *testing.T) {
	t.Parallel()
	_, tokens := withTokens(t, "operate")
	for _, op := range operations(start(t).openapi()) {
		secret := strings.HasSuffix(op.path, "/secret") || strings.HasSuffix(op.path, "/preview")
		if op.method == http.MethodGet && !secret {
			continue
		}
		t.Run(op.id, func(t *testing.T) {
			t.Parallel()
			a := start(t, local, tokens)
			x := samples[op.id](a)[0]
			if x.path == "" {
				x.path = op.path
			}
			got := a.by("by-operate-token-of-the-tests", op.method, x.path, x.body)
			if allowed := slices.Contains(operators, op.id); allowed != (got.status != http.StatusForbidden) || !allowed && got.code() != "forbidden" {
				t.Errorf("%s %s: %d %s", op.method, x.path, got.status, got.body)
			}
		})
	}
}

// A changed file of tokens counts without a restart, and a spoilt one changes nothing.
func TestTokensAreReadAgain(t *testing.T) {
	t.Parallel()
	path, tokens := withTokens(t, "read")
	a := start(t, tokens)
	status := func(role string) int {
		return a.by("by-"+role+"-token-of-the-tests", "GET", "/api/v1/endpoints", "").status
	}
	if status("read") != http.StatusOK || status("admin") != http.StatusUnauthorized {
		t.Fatalf("before: %d %d", status("read"), status("admin"))
	}
	writeTokens(t, path, "admin")
	for deadline := time.Now().Add(10 * time.Second); status("admin") != http.StatusOK; {
		if time.Now().After(deadline) {
			t.Fatal("the new token never counted")
		}
		time.Sleep(20 * time.Millisecond) // the file is looked at once a second
	}
	if got := status("read"); got != http.StatusUnauthorized {
		t.Errorf("the removed token: %d", got)
	}
	if err := os.WriteFile(path, []byte("by-admin admin"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := status("admin"); got != http.StatusOK {
		t.Errorf("the token of before, in a spoilt file: %d", got)
	}
}
