package dashboard_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"jethook/config"
	"jethook/consume/dashboard"
	"jethook/consume/status"
	"jethook/publish/processes"
	"jethook/publish/report"
)

// Every kind of trouble has its sentence, with the time since when and the way to where it is mended; what is well has none.
func TestSentences(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ago := func(d time.Duration) *time.Time { return new(at.Add(-d)) }
	crm := func(e status.Endpoint) status.Status {
		e.ID, e.Name = "ep_1", "CRM"
		return status.Status{Endpoints: []status.Endpoint{e}}
	}
	refused := func(hour uint64, usual float64) status.Recent {
		return status.Recent{Refused: []status.Refusal{{Source: "shop", Hour: hour, Usual: usual, Reasons: map[string]uint64{"too_old": 2, "bad_signature": hour - 2}}}}
	}
	for name, test := range map[string]struct {
		status status.Status
		recent status.Recent
		want   []string
	}{
		"all is well": {status: crm(status.Endpoint{State: status.Healthy, Waiting: 3, NextDue: ago(-time.Minute)})},
		"failing": {
			status: crm(status.Endpoint{State: status.Failing, Failures: 3, LastStatus: 503, Waiting: 2}),
			want:   []string{"warn: CRM fails: 3 failures in a row, the last answered 503. 2 deliveries wait. See the endpoint: /endpoints/ep_1"},
		},
		"open": {
			status: crm(status.Endpoint{State: status.Open, Failures: 12, LastClass: "dial_refused", FailingSince: ago(time.Hour), Waiting: 1, Behind: 1499}),
			want:   []string{"bad: CRM takes nothing: 12 failures in a row, the last by dial refused; it is only probed. 1,500 deliveries wait. Since 02:04:05. See the endpoint: /endpoints/ep_1"},
		},
		"open, whose deliveries are late for that": {
			status: crm(status.Endpoint{State: status.Open, Failures: 1, LastStatus: 500, NextDue: ago(time.Hour)}),
			want:   []string{"bad: CRM takes nothing: 1 failure in a row, the last answered 500; it is only probed. See the endpoint: /endpoints/ep_1"},
		},
		"disabled by Jethook": {
			status: crm(status.Endpoint{State: status.Disabled, DisabledReason: "answered 410 Gone"}),
			want:   []string{"warn: CRM is disabled: answered 410 Gone. Enable it: /endpoints/ep_1"},
		},
		"disabled on request with what waits": {
			status: crm(status.Endpoint{State: status.Disabled, DisabledReason: "disabled on request", Waiting: 1}),
			want:   []string{"warn: CRM is disabled: disabled on request. 1 delivery waits. Enable it: /endpoints/ep_1"},
		},
		"disabled on request": {status: crm(status.Endpoint{State: status.Disabled, DisabledReason: "disabled on request"})},
		"past due": {
			status: crm(status.Endpoint{State: status.Healthy, NextDue: ago(time.Minute)}),
			want:   []string{"bad: CRM has a delivery past its due time. Since 03:03:05. See what waits: /deliveries?endpoint=ep_1&status=waiting"},
		},
		"a little late": {status: crm(status.Endpoint{State: status.Healthy, NextDue: ago(10 * time.Second)})},
		"dead letters of the last day": {
			status: crm(status.Endpoint{State: status.Healthy, Dead: 9}), recent: status.Recent{Dead: map[string]uint64{"ep_1": 2}},
			want: []string{"warn: CRM got 2 dead letters in the last day. Replay or remove: /dead?endpoint=ep_1"},
		},
		"older dead letters": {status: crm(status.Endpoint{State: status.Healthy, Dead: 9})},
		"missed": {
			status: crm(status.Endpoint{State: status.Healthy, Missed: 1}),
			want:   []string{"bad: CRM missed 1 event: they grew older than the retention while they waited. See the endpoint: /endpoints/ep_1"},
		},
		"refused, a spike": {
			recent: refused(40, 1.5),
			want:   []string{"warn: 40 requests of shop refused in the last hour, usually 1.5; most because the signature does not match the secret. See why: /sources/shop"},
		},
		"refused as usual": {recent: refused(40, 38)},
		"a clock that is wrong": {
			status: status.Status{Sources: []status.Source{{Name: "shop", ClockOff: -380}}},
			want:   []string{"warn: The clock of shop is 6 min behind, so most of what it signs is refused. See the source: /sources/shop"},
		},
		"streams near their limit": {
			status: status.Status{Streams: []status.Stream{{Name: "HISTORY", Percent: new(81.0)}, {Name: "EVENTS", Percent: new(99.4)}, {Name: "DEAD", Percent: new(79.0)}}},
			want: []string{
				"warn: The stream HISTORY is at 81 % of its limit; beyond it, the oldest records go.",
				"warn: The stream EVENTS is at 99 % of its limit; beyond it, nothing more is stored.",
			},
		},
		"a full store": {
			status: status.Status{Store: status.Store{Percent: new(93.0)}},
			want:   []string{"bad: The store is 93 % full. When it is full, webhooks are refused with 503: make room, or give it more."},
		},
		"a process that is gone": {
			status: status.Status{Missing: []processes.Missing{{Peer: report.Peer{Role: "consume", Host: "b", PID: 7}, Heard: *ago(time.Minute)}}},
			want:   []string{"warn: The consume process on b (pid 7) is gone: it does not answer. Since 03:03:05."},
		},
		"a stream that brings nothing": {
			status: status.Status{Processes: []status.Process{{Peer: report.Peer{Role: "consume", Host: "b", PID: 7}, Stalled: map[string]float64{"WEBHOOKS": 42}}}},
			want: []string{"bad: The consume process on b (pid 7) gets nothing from the stream WEBHOOKS: NATS does not answer its requests, and what waits there is not " +
				"delivered by it. Since 03:03:23."},
		},
		"a record that can't be read": {
			status: status.Status{Unreadable: []status.Unreadable{{Unreadable: report.Unreadable{Bucket: "endpoints", Key: "ep_9", Why: "sealed by another key"}, Processes: []string{"a"}}}},
			want:   []string{"bad: A record of endpoints, ep_9, can't be read: sealed by another key. a passes it over."},
		},
	} {
		test.status.At = at
		if got := dashboard.NotesOf(&test.status, &test.recent); !slices.Equal(got, test.want) {
			t.Errorf("%s:\n%s\nnot\n%s", name, strings.Join(got, "\n"), strings.Join(test.want, "\n"))
		}
	}
	both := crm(status.Endpoint{State: status.Failing, Failures: 1, LastStatus: 500})
	both.Store.Percent = new(95.0)
	if got := dashboard.NotesOf(&both, &status.Recent{}); len(got) != 2 || !strings.HasPrefix(got[0], "bad") || !strings.HasPrefix(got[1], "warn") {
		t.Errorf("the worst is not first: %q", got)
	}
}

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
	r := start(t, func(c *config.Config) { c.RetrySchedule = config.Schedule{time.Second} })
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
		return strings.Contains(page, "warehouse takes nothing") && strings.Contains(page, "dead letter") && strings.Contains(page, "6 requests of shop refused")
	})
	for _, want := range []string{
		"the last answered 503; it is only probed", `href="/endpoints/` + bad, `href="/dead?endpoint=` + bad, "usually none; most because the signature does not match",
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
