package dashboard_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"jethook/config"
	"jethook/config/quantity"
)

// A process that gets no events is named, with the stream and since when, until it gets some again.
func TestOverviewSaysWhatIsStalled(t *testing.T) {
	t.Parallel()
	r := start(t)
	b := r.signedIn(adminToken)
	r.stalls(map[string]float64{"WEBHOOKS": 90})
	page := b.until("/", func(page string) bool { return strings.Contains(page, "gets nothing from the stream WEBHOOKS") })
	if strings.Contains(page, "All is well") || !strings.Contains(page, `<span class="state stalled">stalled</span>`) || !strings.Contains(page, "Since <time") {
		t.Errorf("the overview does not mark what is stalled:\n%s", page)
	}
	r.stalls(nil)
	b.until("/", func(page string) bool {
		return strings.Contains(page, "All is well") && !strings.Contains(page, "stalled")
	})
}

// What is wrong is said in sentences, with the way to where it is mended, and is gone when it is mended.
func TestOverviewSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *config.Config) { c.RetrySchedule = quantity.Schedule{time.Second} })
	b := r.signedIn(adminToken)
	if page := b.page("/"); !strings.Contains(page, "All is well.") || !strings.Contains(page, "There is no endpoint yet") {
		t.Error("an empty Jethook is not well")
	}
	r.answers(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/bad" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	bad, good := r.endpoint("warehouse", "/bad", "events.order.*"), r.endpoint("billing", "/good", "events.order.*")
	for i := range 15 {
		r.publish("order.created", fmt.Sprintf("evt_%d", i), []byte(`{}`))
	}
	for range 6 {
		r.reject("bad_signature", "wrong")
	}
	page := b.until("/", func(page string) bool {
		return strings.Contains(page, "warehouse accepts nothing") && strings.Contains(page, "dead letter") && strings.Contains(page, "6 requests of shop refused")
	})
	for _, want := range []string{
		"the last answered 503, so it is only probed", `href="/endpoints/` + bad, `href="/dead?endpoint=` + bad, "usually none; most because the signature does not match",
		`href="/sources/shop"`, `href="/endpoints/` + good,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the overview does not say %q", want)
		}
	}
	if strings.Contains(page, "All is well") || strings.Contains(page, "billing fails") {
		t.Error("what is well and what is not are mixed up")
	}
	// The last hour's chart has what happened, within the seconds for which it is kept.
	b.until("/", func(page string) bool {
		return strings.Contains(page, "15 delivered") && strings.Contains(page, "6 refused")
	})
	// What Jethook disabled by itself tells why and since when.
	r.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) })
	r.endpoint("gone", "/gone", "events.gone")
	r.publish("gone", "evt_gone", []byte(`{}`))
	page = b.until("/", func(page string) bool { return strings.Contains(page, "gone is disabled: ") })
	if _, sentence, _ := strings.Cut(page, "gone is disabled: "); !strings.Contains(sentence[:min(len(sentence), 250)], "410") || !strings.Contains(sentence[:min(len(sentence), 250)], "Since <time") {
		t.Errorf("what was disabled: %.250s", sentence)
	}
}
