package status

import (
	"bytes"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"jethook/consume/status"
	"jethook/publish/processes"
	"jethook/publish/query"
	"jethook/publish/report"
)

// What an operator reads at night.
func TestStatusTable(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) *time.Time { return new(at.Add(-d)) }
	s := &status.Status{
		At: at, HourSince: at.Add(-20 * time.Minute), Behind: 1180, Unknown: 3,
		Incomplete: []string{"processes: no response from consume on b (pid 7), last heard at 02:59:00"},
		Unreadable: []status.Unreadable{
			{Unreadable: report.Unreadable{Bucket: "jethook_endpoints", Why: "the wrong key"}, Processes: []string{"consume on b (pid 7)"}},
			{Unreadable: report.Unreadable{Bucket: "jethook_endpoints", Key: "ep_x\x1b[31m", Why: "it is not sealed"}, Processes: []string{"serve on a (pid 6)", "consume on b (pid 7)"}},
		},
		Endpoints: []status.Endpoint{
			{
				ID: "ep_1", Name: "billing\x1b[31m", State: status.Open, FailingSince: ago(125 * time.Minute), Failures: 10, LastStatus: 503,
				Waiting: 23, Behind: 1180, BehindWhy: "circuit_open", BehindSince: ago(2 * time.Hour), Oldest: ago(3 * time.Hour), NextDue: new(at.Add(191 * time.Second)), Approximate: true, Dead: 12,
				Delivered: 999, Failed: 1, Success: new(0.999), P50: new(41.26), P99: new(2104.0),
			},
			{ID: "ep_2", Name: "off", State: status.Disabled, DisabledReason: "answered 410 Gone", Waiting: 1, Missed: 7, NextDue: ago(time.Second), InFlight: 2},
			{ID: "ep_3", Name: "idle", State: status.Healthy},
		},
		Streams:   []status.Stream{{Name: "DEAD", Messages: 12, Bytes: 3 << 20, MaxBytes: 1 << 30, Percent: new(0.3), Oldest: ago(72 * time.Hour), MaxAge: "720h"}},
		Store:     status.Store{StoreState: query.StoreState{Used: 5 << 20}},
		Queues:    []status.Queue{{Stream: "EVENTS", Name: "jethook", Pending: 5, Unacked: 3, Oldest: ago(2 * time.Second)}},
		Sources:   []status.Source{{Name: "polar", LastSeen: ago(time.Minute), Accepted: 7, Refused: map[string]uint64{"too_large": 1, "bad_signature": 3}, ClockOff: -380}},
		Processes: []status.Process{{Peer: report.Peer{Role: "serve", Host: "a", PID: 6}, Version: "v1", Started: at.Add(-20 * time.Minute), Endpoints: 3, Stalled: map[string]float64{"WEBHOOKS": 42.4}}},
		Missing:   []processes.Missing{{Peer: report.Peer{Role: "consume", Host: "b", PID: 7}, Heard: at.Add(-time.Minute)}},
	}
	want := `
As of 2026-11-22T03:00:00Z; the last hour is counted from 2026-11-22T02:40:00Z
BEHIND      1180 deliveries waiting in the event streams for endpoints that lag behind
INCOMPLETE  processes: no response from consume on b (pid 7), last heard at 02:59:00
UNREADABLE  jethook_endpoints: the wrong key (consume on b (pid 7))
UNREADABLE  jethook_endpoints/ep_x?[31m: it is not sealed (serve on a (pid 6), consume on b (pid 7))
STALLED     serve on a (pid 6) has received nothing from stream WEBHOOKS for 42s: NATS does not answer its requests
CLOCK       polar: most requests are refused for their timestamp: the sender's clock is about 6m 20s behind ours, or requests are delayed
UNKNOWN     3 requests for sources that are not in JETHOOK_SOURCES; the log names them
MISSED      off: retention removed 7 waiting events (ep_2)

ENDPOINT      STATE       WAITING  BEHIND                   OLDEST  NEXT        IN FLIGHT  DEAD  LAST HOUR      P50     P99   LAST FAILURE       ID
billing?[31m  OPEN 2h 5m  1203     1180 circuit open 2h 0m  ~3h 0m  ~in 3m 11s  0          12    99.9% of 1000  41.3ms  2.1s  503 (10 in a row)  ep_1
off           disabled    1        -                        -       now         2          0     -              -       -     answered 410 Gone  ep_2
1 more idle (--all shows them).

STREAM       MESSAGES  BYTES  LIMIT  FULL  OLDEST  KEPT FOR
DEAD         12        3 MiB  1 GiB  0.3%  3d 0h   720h
(the store)            5 MiB  -      -     -       -

QUEUE           PENDING  UNACKNOWLEDGED  OLDEST
EVENTS/jethook  5        3               2s

SOURCE  LAST SEEN  ACCEPTED  DUPLICATES  REFUSED
polar   1m 0s      7         0           3 bad_signature, 1 too_large

PROCESS  HOST  PID  VERSION    UP                    ENDPOINTS
serve    a     6    v1         20m 0s                3
consume  b     7    NO ANSWER  last heard 1m 0s ago  -
`
	var text bytes.Buffer
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	writeStatus(w, s, false)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if got := "\n" + text.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	text.Reset()
	writeStatus(&text, s, true)
	if !strings.Contains(text.String(), "\nidle\t") {
		t.Errorf("with --all the idle one is missing:\n%s", text.String())
	}
}
