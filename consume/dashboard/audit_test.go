package dashboard_test

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"jethook/config"
	"jethook/config/token"
)

const operatorToken = "the-operator-token-of-the-tests"

// An operator signs in by a token of the file, does what an operator may and nothing else, and the page says who did it.
func TestOperatorsOperate(t *testing.T) {
	t.Parallel()
	entry, err := token.NewNamed("night-shift", token.RoleOperate, operatorToken)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(file, []byte(entry.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := start(t, func(c *config.Config) { c.AdminTokensFile = file })
	id := r.endpoint("billing", "/hook", "events.>")
	b := r.signedIn(operatorToken)
	page := b.page("/endpoints/" + id)
	holds(t, page, "Disable…", "Recover", "operate")
	for _, button := range []string{"Rotate", "Remove…", ">Edit<", "Reveal"} {
		if strings.Contains(page, button) {
			t.Errorf("an operator is offered %s", button)
		}
	}
	for _, path := range []string{"/endpoints/" + id + "/remove", "/endpoints/" + id + "/secret", "/endpoints/" + id + "/rotate", "/endpoints/new", "/send", "/sources/asana/pair"} {
		if got := b.send("/", path, url.Values{"confirmed": {"yes"}}); got.status != http.StatusForbidden {
			t.Errorf("POST %s: %d", path, got.status)
		}
	}
	if got := b.send("/", "/dead", url.Values{"what": {"remove filter"}, "filter": {""}, "confirmed": {"yes"}}); got.status == http.StatusOK {
		t.Errorf("removing dead letters: %d", got.status)
	}
	b.confirmed(b.send("/endpoints/"+id, "/endpoints/"+id+"/disable", nil))
	page = r.signedIn(readToken).page("/audit")
	holds(t, page, "endpoint.disable", "night-shift", "billing", "disabled: false → true")
	if n := strings.Count(page, ">endpoint.disable</a>"); n != 1 {
		t.Errorf("an action has %d rows", n)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); b.get("/").status != http.StatusFound; {
		if time.Now().After(deadline) {
			t.Fatal("the session of a token that is no more never ended")
		}
		time.Sleep(20 * time.Millisecond) // the file is looked at once a second
	}
}
