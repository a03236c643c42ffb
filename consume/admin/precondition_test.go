package admin_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"jethook/consume/endpoint"
)

// with makes a request with the token and one header more.
func (a *api) with(name, value, method, path, body string) answer {
	a.t.Helper()
	return a.send(method, path, body, http.Header{"Authorization": {"Bearer " + token}, name: {value}})
}

func TestEveryAnswerHasTheETagOfWhatItShows(t *testing.T) {
	t.Parallel()
	a := start(t)
	created := a.do("POST", "/api/v1/endpoints", minimal)
	path := created.header.Get("Location")
	seen := map[string]bool{}
	for i, got := range []answer{
		created,
		a.do("PATCH", path, `{"name":"m"}`),
		a.do("POST", path+"/disable", ""),
		a.do("POST", path+"/enable", ""),
		a.do("POST", path+"/rotate", ""),
	} {
		tag := got.header.Get("ETag")
		if len(tag) < 3 || tag[0] != '"' || !strings.HasSuffix(tag, `"`) || seen[tag] {
			t.Errorf("answer %d: %s", i, tag)
		}
		seen[tag] = true
		if i == 4 && a.do("GET", path, "").header.Get("ETag") != tag {
			t.Error("reading it gives another ETag")
		}
	}
}

func TestIfMatch(t *testing.T) {
	t.Parallel()
	a := start(t)
	for _, r := range []struct{ method, path, body string }{
		{"PATCH", "", `{"name":"mine"}`}, {"POST", "/rotate", ""}, {"POST", "/disable", ""}, {"POST", "/enable", ""}, {"DELETE", "", ""},
	} {
		path := a.do("POST", "/api/v1/endpoints", minimal).header.Get("Location")
		mine := a.do("GET", path, "").header.Get("ETag")
		theirs := a.do("PATCH", path, `{"name":"theirs"}`)
		if got := a.with("If-Match", mine, r.method, path+r.path, r.body); got.status != http.StatusPreconditionFailed || got.code() != "precondition_failed" {
			t.Errorf("%s %s after a change: %d %s", r.method, r.path, got.status, got.body)
		}
		if after := a.do("GET", path, ""); after.body != theirs.body {
			t.Errorf("%s %s changed it all the same: %s", r.method, r.path, after.body)
		}
		for _, none := range []string{`"x"`, `W/` + theirs.header.Get("ETag"), ",", `"1"`} {
			if got := a.with("If-Match", none, r.method, path+r.path, r.body); got.status != http.StatusPreconditionFailed {
				t.Errorf("%s %s with %s: %d", r.method, r.path, none, got.status)
			}
		}
		list := `"x", ` + theirs.header.Get("ETag")
		if got := a.with("If-Match", list, r.method, path+r.path, r.body); got.status/100 != 2 {
			t.Errorf("%s %s of what it is: %d %s", r.method, r.path, got.status, got.body)
		}
	}
	path := a.do("POST", "/api/v1/endpoints", minimal).header.Get("Location")
	if got := a.with("If-Match", "*", "PATCH", path, `{"name":"any"}`); got.status != http.StatusOK {
		t.Errorf("any: %d", got.status)
	}
}

// Jethook's own notes overwrite nothing of an operator, and so refuse him nothing; but they are news.
func TestETagAndWhatJethookChanges(t *testing.T) {
	t.Parallel()
	a := start(t)
	path := a.do("POST", "/api/v1/endpoints", minimal).header.Get("Location")
	tag := a.do("GET", path, "").header.Get("ETag")
	for list, status := range map[string]int{tag: 304, "W/" + tag: 304, `"x",` + tag: 304, "*": 304, `"x"`: 200, "": 200} {
		got := a.with("If-None-Match", list, "GET", path, "")
		if got.status != status || (got.body == "") != (status == 304) || got.header.Get("ETag") != tag {
			t.Errorf("If-None-Match %s: %d %q", list, got.status, got.body)
		}
	}
	id := strings.TrimPrefix(path, "/api/v1/endpoints/")
	if _, err := a.registry.Update(t.Context(), id, func(e *endpoint.Endpoint) error {
		e.FailingSince = time.Now()
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if got := a.with("If-None-Match", tag, "GET", path, ""); got.status != http.StatusOK || got.header.Get("ETag") == tag {
		t.Errorf("it fails, and that is no news: %d", got.status)
	}
	if got := a.with("If-Match", tag, "PATCH", path, `{"url":"https://example.com/mended"}`); got.status != http.StatusOK {
		t.Errorf("it fails, and can't be mended: %d %s", got.status, got.body)
	}
}

// Of several operators that change what they have all read, one succeeds.
func TestNoLostUpdate(t *testing.T) {
	t.Parallel()
	a := start(t)
	path := a.do("POST", "/api/v1/endpoints", minimal).header.Get("Location")
	tag := a.do("GET", path, "").header.Get("ETag")
	var wg sync.WaitGroup
	statuses := make([]int, 8)
	for i := range statuses {
		wg.Go(func() { statuses[i] = a.with("If-Match", tag, "PATCH", path, `{"name":"m"}`).status })
	}
	wg.Wait()
	count := map[int]int{}
	for _, s := range statuses {
		count[s]++
	}
	if count[200] != 1 || count[412] != len(statuses)-1 {
		t.Errorf("got %v", count)
	}
}
