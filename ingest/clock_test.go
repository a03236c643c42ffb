package ingest

import (
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"jethook/config"
	"jethook/config/logtest"
	"jethook/ingest/clock"
	"jethook/publish/report"
)

// stamped is what Slack sends at that time of its clock.
func stamped(t *testing.T, url, secret, body string, at time.Time) int {
	t.Helper()
	ts := strconv.FormatInt(at.Unix(), 10)
	resp, _ := do(t, request(t, url, body, http.Header{
		"X-Slack-Request-Timestamp": {ts}, "X-Slack-Signature": {"v0=" + hex.EncodeToString(sha256MAC([]byte(secret), "v0:"+ts+":"+body))},
	}))
	return resp.StatusCode
}

const slackSecret = "8f742231b10e8888abcd99yyyzzz85a5"

func TestTolerance(t *testing.T) {
	t.Parallel()
	rig := newRig(t)
	wide, narrow := sourceOf("slack", slackSecret), sourceOf("slack", slackSecret)
	wide.Tolerance = 20 * time.Minute
	narrow.Name, narrow.Tolerance = "narrow", 10*time.Second
	url := serve(t, Options{Sources: []config.Source{wide, narrow}, Publisher: rig.bus}) + "/webhooks/"
	for _, test := range []struct {
		source string
		off    time.Duration
		status int
	}{
		{"slack", 19 * time.Minute, 200},
		{"slack", -19 * time.Minute, 200},
		{"slack", 21 * time.Minute, 401},
		{"slack", -21 * time.Minute, 401},
		{"narrow", 0, 200},
		{"narrow", 30 * time.Second, 401},
		{"narrow", -30 * time.Second, 401},
	} {
		if got := stamped(t, url+test.source, slackSecret, `{"event_id":"1"}`, time.Now().Add(test.off)); got != test.status {
			t.Errorf("%s, %s off: %d, want %d", test.source, test.off, got, test.status)
		}
	}
	for _, test := range []struct{ provider, want string }{{"slack", ""}, {"vonage", ""}, {"hook0", ""}, {"aws-sns", ""}, {"github", "TOLERANCE"}, {"token", "TOLERANCE"}} {
		src := sourceOf(test.provider, slackSecret)
		src.Tolerance = time.Minute
		if test.provider == "token" {
			src.Header = "X-Token"
		}
		if test.provider == "aws-sns" {
			src.Secrets = []config.Secret{config.NewSecret("arn:aws:sns:us-west-2:123456789012:MyTopic")}
		}
		found := Check([]config.Source{src})
		if (len(found) > 0) != (test.want != "") || len(found) > 0 && !strings.HasSuffix(found[0].Variable, test.want) {
			t.Errorf("%s: %v", test.provider, found)
		}
	}
}

// TestClockWarning has a sender whose clock is wrong, and then strangers and a mended clock.
func TestClockWarning(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		off        time.Duration
		want, says string
	}{
		"ahead":  {6*time.Minute + 20*time.Second, "6m20s", "ahead of"},
		"behind": {-12 * time.Minute, "12m0s", "behind"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rig := newRig(t)
			now := &testClock{at: time.Unix(1_790_000_000, 0)}
			var log logtest.Buffer
			s, err := New(Options{
				Sources: []config.Source{sourceOf("slack", slackSecret), plain("shop")}, Publisher: rig.bus, MaxBody: 1 << 20,
				Now: now.now, Log: newTestLog(&log),
			})
			if err != nil {
				t.Fatal(err)
			}
			url := serveHandler(t, s) + "/webhooks/slack"
			off := func() time.Duration { return reportOf(s, "slack").ClockOff }
			send := func(secret string, off time.Duration) int {
				return stamped(t, url, secret, `{"event_id":"1"}`, now.now().Add(off))
			}
			for range 20 { // a stranger's times say nothing
				send("a-stranger's-secret", test.off)
			}
			if off() != 0 || strings.Contains(log.String(), "clock") {
				t.Errorf("warned of a stranger's time, %s off: %s", off(), log.String())
			}
			for range 20 {
				if got := send(slackSecret, test.off); got != 401 {
					t.Fatalf("answer %d", got)
				}
			}
			if got := off(); got != test.off {
				t.Errorf("reported %s off, want %s", got, test.off)
			}
			if n := strings.Count(log.String(), "JETHOOK_SOURCE_SLACK_TOLERANCE"); n != 1 || !strings.Contains(log.String(), test.want) || !strings.Contains(log.String(), test.says) {
				t.Errorf("%d warnings: %s", n, log.String())
			}
			now.advance(2 * clock.Pause) // and the clock is mended
			if got := send(slackSecret, 0); got != 200 || off() != 0 {
				t.Errorf("answer %d and %s off after the clock is mended", got, off())
			}
			for range 5 { // some in both directions are no clock
				send(slackSecret, test.off)
				send(slackSecret, -test.off)
			}
			if off() != 0 {
				t.Errorf("%s off of times in both directions", off())
			}
		})
	}
}

func reportOf(s *Server, name string) report.Source {
	for _, r := range s.Report() {
		if r.Name == name {
			return r
		}
	}
	return report.Source{}
}
