package dashboard_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

var rowID = regexp.MustCompile(`<tr data-row id="([^"]+)"`)

func rowsOf(page string) (ids []string) {
	for _, m := range rowID.FindAllStringSubmatch(page, -1) {
		ids = append(ids, m[1])
	}
	return ids
}

// confirmed answers yes to the question that a form's answer asks, as a browser does.
func (b *browser) confirmed(got shown) shown {
	b.t.Helper()
	if got.status != http.StatusOK || !strings.Contains(got.body, `name="confirmed"`) {
		b.t.Fatalf("nothing is asked: %d %s", got.status, got.body)
	}
	form := url.Values{}
	for _, m := range hiddenField.FindAllStringSubmatch(got.body, -1) {
		form.Add(m[1], unescape.Replace(m[2]))
	}
	action := regexp.MustCompile(`<form method="post" action="([^"]+)">\s*<input type="hidden" name="csrf" value="[^"]*">\s*<input type="hidden" name="confirmed"`).FindStringSubmatch(got.body)
	return b.post(action[1], form)
}

var (
	hiddenField = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)
	unescape    = strings.NewReplacer("&amp;", "&", "&#43;", "+", "&#34;", `"`, "&#39;", "'")
)

// All that a filter chooses is retried, after its count was shown, and its progress survives a reload.
func TestRetryAllOfAFilter(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	billing := r.endpoint("billing", "/billing", "events.order.*")
	r.endpoint("crm", "/crm", "events.user.*")
	for i := range 3 {
		r.publish("order.created", fmt.Sprintf("evt_o%d", i), []byte(`{"n":1}`))
		r.publish("user.added", fmt.Sprintf("evt_u%d", i), []byte(`{"n":1}`))
	}
	b := r.signedIn(adminToken)
	b.until("/deliveries?status=waiting", func(page string) bool { return len(rowsOf(page)) == 6 })
	list := "/deliveries?endpoint=" + billing + "&status=waiting"
	if n := len(rowsOf(b.page(list))); n != 3 {
		t.Fatalf("%d rows of the endpoint", n)
	}
	r.answers(nil)
	asked := b.send(list, "/deliveries/retry", url.Values{"what": {"filter"}, "filter": {"?endpoint=" + billing + "&status=waiting"}})
	if !strings.Contains(asked.body, "Retry 3 deliveries?") {
		t.Fatalf("the count is not shown: %s", asked.body)
	}
	got := b.confirmed(asked)
	if got.status != http.StatusSeeOther || got.header.Get("Location") != "/deliveries?endpoint="+billing+"&status=waiting" {
		t.Fatalf("confirmed: %d to %s", got.status, got.header.Get("Location"))
	}
	for _, filter := range []string{"%zz", "status=waiting&nonsense=1", "status=waiting&status=x;y"} { // must not choose more than is meant
		if got := b.send("/", "/deliveries/retry", url.Values{"what": {"filter"}, "filter": {filter}, "confirmed": {"yes"}}); got.status != http.StatusForbidden {
			t.Errorf("filter %q: %d", filter, got.status)
		}
	}
	b.until("/", func(page string) bool { return strings.Contains(page, "3 of 3 done. Finished.") })
	b.until("/deliveries?endpoint="+billing+"&status=delivered", func(page string) bool { return len(rowsOf(page)) == 3 })
	b.until("/deliveries?status=waiting", func(page string) bool { // what came due leaves the list once it is acknowledged
		return len(rowsOf(page)) == 3 && !strings.Contains(page, "order.created")
	})
	b.send("/", "/jobs/1/stop", url.Values{"back": {"/"}})
	if strings.Contains(b.page("/"), "Finished.") {
		t.Error("the job can't be put away")
	}
}

func TestRetrySelected(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	r.endpoint("billing", "/billing", "events.>")
	for i := range 3 {
		r.publish("order.created", fmt.Sprintf("evt_%d", i), []byte(`{}`))
	}
	b := r.signedIn(adminToken)
	ids := rowsOf(b.until("/deliveries", func(page string) bool { return len(rowsOf(page)) == 3 && strings.Count(page, "waiting 503") == 3 }))
	r.answers(nil)
	got := b.confirmed(b.send("/deliveries", "/deliveries/retry", url.Values{"what": {"selected"}, "id": ids[:2]}))
	if got.status != http.StatusSeeOther {
		t.Fatalf("%d %s", got.status, got.body)
	}
	b.until("/deliveries", func(page string) bool { return strings.Count(page, "delivered 200") == 2 })
	if got := b.send("/deliveries", "/deliveries/retry", url.Values{"what": {"selected"}}); got.status != http.StatusSeeOther {
		t.Errorf("nothing selected: %d", got.status)
	}
	if page := b.page("/deliveries"); !strings.Contains(page, "Nothing is selected.") {
		t.Error("it is not said that nothing is selected")
	}
	if page := b.page("/deliveries"); strings.Contains(page, "Nothing is selected.") {
		t.Error("it is said twice")
	}
}

// A wrong filter is told at its field, and lists nothing.
func TestWrongFilters(t *testing.T) {
	t.Parallel()
	r := start(t)
	b := r.signedIn(adminToken)
	for _, query := range []string{"status=x", "class=x", "code=x", "code=7", "since=x", "until=x", "endpoint=a.b", "type=a*", "event=%00"} {
		got := b.get("/deliveries?" + query)
		if got.status != http.StatusUnprocessableEntity || !strings.Contains(got.body, `aria-invalid`) {
			t.Errorf("%s: %d", query, got.status)
		}
	}
	if got := b.get("/deliveries?cursor=x"); got.status != http.StatusUnprocessableEntity || !strings.Contains(got.body, "next_cursor") {
		t.Errorf("cursor: %d", got.status)
	}
}

// Every state of the list says what to do.
func TestEmptyLists(t *testing.T) {
	t.Parallel()
	r := start(t)
	b := r.signedIn(adminToken)
	for path, want := range map[string]string{
		"/deliveries": "Nothing has been delivered yet", "/deliveries?status=dead": "No delivery matches this filter", "/": "There is no endpoint yet",
	} {
		if page := b.page(path); !strings.Contains(page, want) {
			t.Errorf("%s does not say %q", path, want)
		}
	}
}

func TestOneDelivery(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.answers(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, `{"error":"closed for <lunch>"}`)
	})
	r.endpoint("billing", "/hook?key=url-secret", "events.>")
	r.publish("order.created", "evt_1", []byte(`{"amount":12345678901234567890.10,"\u003cb\u003e":"x"}`))
	b := r.signedIn(adminToken)
	id := rowsOf(b.until("/deliveries", func(page string) bool { return strings.Contains(page, "waiting 503") }))[0]
	page := b.page("/deliveries/" + id)
	for _, want := range []string{
		"order.created", "billing", "evt_1", "HTTP 503", "closed for &lt;lunch&gt;", "12345678901234567890.10", `\u003cb\u003e`, "Webhook-Signature", "***", "1 of 2",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
	if strings.Contains(page, "url-secret") {
		t.Error("the page shows the secret in the address")
	}
	r.answers(nil)
	if got := b.send("/deliveries/"+id, "/deliveries/"+id+"/retry", nil); got.status != http.StatusSeeOther {
		t.Fatalf("retry: %d %s", got.status, got.body)
	}
	page = b.until("/deliveries/"+id, func(page string) bool { return strings.Contains(page, "delivered 200") })
	if strings.Contains(page, "Retry now") {
		t.Error("what is delivered can be retried")
	}
	for _, gone := range []string{"/deliveries/ep_none.events:evt_1.1", "/deliveries/*.>"} {
		if got := b.get(gone); got.status != http.StatusNotFound {
			t.Errorf("%s: %d", gone, got.status)
		}
	}
}
