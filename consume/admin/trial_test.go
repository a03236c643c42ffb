package admin_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"jethook/config"
	"jethook/consume/admin/deliveries"
	"jethook/consume/admin/message"
	"jethook/consume/admin/trials"
	"jethook/publish/delivery"
	"jethook/publish/query"
)

// local lets endpoints be the test's own servers.
func local(cfg *config.Config) {
	cfg.AllowedNetworks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
}

// taken is one request as an endpoint saw it.
type taken struct {
	header http.Header
	body   string
}

// endpointAt makes an endpoint whose requests handle answers, and returns its id and the requests.
func (a *api) endpointAt(handle http.HandlerFunc, more string) (id string, got <-chan taken) {
	a.t.Helper()
	ch := make(chan taken, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			a.t.Errorf("reading a request: %v", err)
		}
		r.Header.Set("Host", r.Host)
		ch <- taken{r.Header, string(body)}
		handle(w, r)
	}))
	a.t.Cleanup(server.Close)
	return a.create(fmt.Sprintf(`{"name":"n","url":%q,"events":["events.>"]%s}`, server.URL+"/hook?a=1", more)).ID, ch
}

func ok(http.ResponseWriter, *http.Request) {}

// value is a header's value; "" when it is not there.
func value(headers []message.Header, name string) string {
	for _, h := range headers {
		if h.Name == name {
			return h.Value
		}
	}
	return ""
}

func TestTestEndpoint(t *testing.T) {
	t.Parallel()
	a := start(t, local)
	id, got := a.endpointAt(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Request-Id", "r-1")
		w.Header().Set("Set-Cookie", "session=geheim")
		_, _ = io.WriteString(w, "thanks")
	}, `,"headers":{"X-Api-Key":"geheim","X-Team":"a"}`)
	path := "/api/v1/endpoints/" + id + "/test"
	trial := get[trials.Trial](a, http.StatusOK, "POST", path, "")
	req := <-got
	if !trial.Taken || trial.Class != "ok" || trial.Detail != "" || trial.Response == nil || trial.Response.Status != 200 ||
		trial.Response.Body != "thanks" || value(trial.Response.Headers, "X-Request-Id") != "r-1" || value(trial.Response.Headers, "Set-Cookie") != "" {
		t.Errorf("got %+v, %+v", trial, trial.Response)
	}
	var body struct{ Type, Message, Endpoint string }
	if err := json.Unmarshal([]byte(req.body), &body); err != nil || body.Type != "jethook.test" || body.Message == "" || body.Endpoint != id {
		t.Errorf("body %s: %v", req.body, err)
	}
	if trial.Request.Body != req.body || req.header.Get("X-Api-Key") != "geheim" || req.header.Get("Jethook-Type") != "jethook.test" {
		t.Errorf("sent %v %s, shown %+v", req.header, req.body, trial.Request)
	}
	for _, h := range trial.Request.Headers {
		if want := req.header.Get(h.Name); h.Value != want && (h.Name != "X-Api-Key" || h.Value != "<secret>") {
			t.Errorf("header %s: shown %q, sent %q", h.Name, h.Value, want)
		}
	}
	if len(trial.Request.Headers) != len(req.header) {
		t.Errorf("shown %v, sent %v", trial.Request.Headers, req.header)
	}

	get[trials.Trial](a, http.StatusOK, "POST", path, `{"type":"order.created","data":{"n": 1.0}}`)
	if req := <-got; req.body != `{"n": 1.0}` || req.header.Get("Jethook-Type") != "order.created" {
		t.Errorf("sent %v %s", req.header, req.body)
	}
	if got := a.do("POST", path, `{"type":"a b"}`); got.status != http.StatusUnprocessableEntity || strings.Join(got.fields(), " ") != "type" {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// A test says what went wrong, and leaves nothing behind: no history, no retry, no change of the endpoint.
func TestTestOfAnEndpointThatFails(t *testing.T) {
	t.Parallel()
	a := start(t, local)
	id, got := a.endpointAt(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusGone)
		_, _ = w.Write(append([]byte{0xff}, strings.Repeat("x", 20<<10)...))
	}, `,"disabled":true`)
	before := a.do("GET", "/api/v1/endpoints/"+id, "").body
	trial := get[trials.Trial](a, http.StatusOK, "POST", "/api/v1/endpoints/"+id+"/test", "{}")
	<-got
	if trial.Taken || trial.Class != "status" || !strings.Contains(trial.Detail, "410") || trial.Response.Encoding != "base64" || !trial.Response.Truncated {
		t.Errorf("got %+v", trial)
	}
	if after := a.do("GET", "/api/v1/endpoints/"+id, "").body; after != before {
		t.Errorf("the endpoint changed: %s, %s", before, after)
	}
	if list := get[deliveries.DeliveryPage](a, http.StatusOK, "GET", "/api/v1/deliveries", ""); len(list.Items) != 0 {
		t.Errorf("it is a delivery: %+v", list.Items)
	}
	for _, sel := range []query.Selection{delivery.HistoryKey{}.Selection(), query.Waiting("")} {
		if found, _, err := a.bus.Query().Reverse(t.Context(), sel, 0, 1); err != nil || len(found) != 0 {
			t.Errorf("stored %v: %v", found, err)
		}
	}
	e := a.create(`{"name":"n","url":"http://127.0.0.1:1/","events":["events.>"]}`)
	trial = get[trials.Trial](a, http.StatusOK, "POST", "/api/v1/endpoints/"+e.ID+"/test", "")
	if trial.Taken || trial.Class != "connection_refused" || trial.Detail == "" || trial.Response != nil || trial.Request == nil {
		t.Errorf("got %+v", trial)
	}
	if got := a.do("POST", "/api/v1/endpoints/ep_none/test", ""); got.status != http.StatusNotFound {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// The address guard holds for tests too: what was allowed when the endpoint was made may not be now.
func TestTestKeepsToAllowedAddresses(t *testing.T) {
	t.Parallel()
	var cfg *config.Config
	a := start(t, local, func(c *config.Config) { cfg = c })
	id, got := a.endpointAt(ok, "")
	strict := *cfg
	strict.AllowedNetworks = nil
	trial := get[trials.Trial](a.configured(&strict), http.StatusOK, "POST", "/api/v1/endpoints/"+id+"/test", "")
	if trial.Taken || trial.Class != "address_refused" || len(got) != 0 {
		t.Errorf("got %+v", trial)
	}
}

func TestTestsAtOnceAreBounded(t *testing.T) {
	t.Parallel()
	a := start(t, local)
	release := make(chan struct{})
	id, got := a.endpointAt(func(_ http.ResponseWriter, r *http.Request) { <-release }, "")
	path := "/api/v1/endpoints/" + id + "/test"
	statuses := make(chan int)
	for range 4 {
		go func() { statuses <- a.do("POST", path, "").status }()
	}
	for range 4 {
		<-got
	}
	if got := a.do("POST", path, ""); got.status != http.StatusServiceUnavailable || got.code() != "overloaded" || got.header.Get("Retry-After") == "" {
		t.Errorf("%d %s", got.status, got.body)
	}
	close(release)
	for range 4 {
		if status := <-statuses; status != http.StatusOK {
			t.Errorf("status %d", status)
		}
	}
	if got := a.do("POST", path, ""); got.status != http.StatusOK {
		t.Errorf("no place became free: %d %s", got.status, got.body)
	}
}

// names are the names of headers, sorted.
func names(headers []message.Header) (names []string) {
	for _, h := range headers {
		names = append(names, h.Name)
	}
	slices.Sort(names)
	return names
}
