package main

import (
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"os/exec"
	"strings"
	"testing"
)

// The command's link signs a browser in, once, also after the server has started again; a session goes on there too.
func TestDashboardLink(t *testing.T) {
	t.Parallel()
	p := newProcess(t, "JETHOOK_ADMIN_BASE_PATH=/tools/jethook", "JETHOOK_ADMIN_READ_TOKEN=read-token-for-tests-only")
	p.start(t, "serve")
	link := func() string {
		cmd := exec.Command(binary, "dashboard", "--json")
		cmd.Env = p.env
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		var told struct{ URL string }
		if err := json.Unmarshal(out, &told); err != nil || !strings.HasPrefix(told.URL, "http://"+p.admin+"/tools/jethook/login?link=") {
			t.Fatalf("%s: %v", out, err)
		}
		return told.URL
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	open := func(client *http.Client, url string) (status int, path string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "text/html")
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode, res.Request.URL.Path
	}
	first := link()
	if status, path := open(browser, first); status != http.StatusOK || path != "/tools/jethook/" {
		t.Fatalf("the link: %d at %s", status, path)
	}
	if !strings.Contains(p.log.String(), `"dashboard":"http://`+p.admin+`/tools/jethook/"`) {
		t.Error("the start does not tell the dashboard's address")
	}
	p.kill(t)
	p.start(t, "serve")
	if status, _ := open(&http.Client{}, first); status != http.StatusUnauthorized {
		t.Errorf("the link that was used opens again after a start: %d", status)
	}
	if status, path := open(browser, "http://"+p.admin+"/tools/jethook/deliveries"); status != http.StatusOK || path != "/tools/jethook/deliveries" {
		t.Errorf("the session after a start: %d at %s", status, path)
	}
	for _, secret := range []string{"token-for-tests-only", strings.TrimPrefix(first, "http://"+p.admin)} {
		if strings.Contains(p.log.String(), secret) {
			t.Errorf("the log holds %s", secret)
		}
	}
}
