package trouble

import (
	"html/template"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"jethook/consume/dashboard/format"
	"jethook/consume/status"
	"jethook/publish/processes"
	"jethook/publish/report"
)

// links are addresses without a base path.
type links struct{}

func (links) Path(fixed string, parts ...string) template.URL {
	return template.URL(format.Path(fixed, parts...))
}

func (links) ListPath(list string, filter ...string) template.URL {
	v := url.Values{}
	for i := 0; i+1 < len(filter); i += 2 {
		v.Set(filter[i], filter[i+1])
	}
	return template.URL(list + "?" + v.Encode())
}

// notesOf is what is said, in one line each: its level, sentence and time, and where its link leads.
func notesOf(st *status.Status, recent *status.Recent) (all []string) {
	for _, n := range New(links{}, func(string) *time.Time { return nil }).Of(st, recent) {
		text := n.Level + ": " + n.Text
		if n.Since != nil {
			text += " Since " + n.Since.Format(time.TimeOnly) + "."
		}
		if n.Link != "" {
			text += " " + n.To + ": " + string(n.Link)
		}
		all = append(all, text)
	}
	return all
}

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
			want:   []string{"bad: CRM accepts nothing: 12 failures in a row, the last by dial refused, so it is only probed. 1,500 deliveries wait. Since 02:04:05. See the endpoint: /endpoints/ep_1"},
		},
		"open, whose deliveries are late for that": {
			status: crm(status.Endpoint{State: status.Open, Failures: 1, LastStatus: 500, NextDue: ago(time.Hour)}),
			want:   []string{"bad: CRM accepts nothing: 1 failure in a row, the last answered 500, so it is only probed. See the endpoint: /endpoints/ep_1"},
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
			want: []string{"warn: CRM has 2 dead letters from the last day. Replay or remove: /dead?endpoint=ep_1"},
		},
		"older dead letters": {status: crm(status.Endpoint{State: status.Healthy, Dead: 9})},
		"missed": {
			status: crm(status.Endpoint{State: status.Healthy, Missed: 1}),
			want:   []string{"bad: CRM missed 1 event: retention removed them while they waited. See the endpoint: /endpoints/ep_1"},
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
				"warn: The stream HISTORY is at 81 % of its limit; beyond it, the oldest records are removed.",
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
			want: []string{"bad: The consume process on b (pid 7) gets nothing from the stream WEBHOOKS: NATS does not answer its requests, so it delivers nothing of what " +
				"waits there. Since 03:03:23."},
		},
		"a record that can't be read": {
			status: status.Status{Unreadable: []status.Unreadable{{Unreadable: report.Unreadable{Bucket: "endpoints", Key: "ep_9", Why: "sealed by another key"}, Processes: []string{"a"}}}},
			want:   []string{"bad: A record of endpoints, ep_9, can't be read: sealed by another key. a ignores it."},
		},
	} {
		test.status.At = at
		if got := notesOf(&test.status, &test.recent); !slices.Equal(got, test.want) {
			t.Errorf("%s:\n%s\nnot\n%s", name, strings.Join(got, "\n"), strings.Join(test.want, "\n"))
		}
	}
	both := crm(status.Endpoint{State: status.Failing, Failures: 1, LastStatus: 500})
	both.Store.Percent = new(95.0)
	if got := notesOf(&both, &status.Recent{}); len(got) != 2 || !strings.HasPrefix(got[0], "bad") || !strings.HasPrefix(got[1], "warn") {
		t.Errorf("the worst is not first: %q", got)
	}
}
