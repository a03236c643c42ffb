package ingest

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"jethook/config"
	"jethook/config/logtest"
)

// seed is the documented sample of one of the senders that this project began with.
type seed struct {
	vector string
	proof  string // the header that shows the secret or a signature
	fails  int    // the status of what does not verify
	okay   int    // the status of what does
	timed  bool   // whether it has a time that must be fresh
}

var seeds = []seed{
	{"polaris-01", "X-Polaris-Signature", 401, 202, false},
	{"polytomic-01", "Authorization", 401, 200, true},
	{"notify-01", "X-Notify-Signature", 401, 200, false},
	{"polar-01", "Webhook-Signature", 403, 202, true},
	{"protocol-01", "X-Protocol-Signature", 401, 202, false},
}

// TestSamplesSpoiled changes each sender's sample in one thing, or the receiver's secret or clock: it is refused, and
// the store is left as it was.
func TestSamplesSpoiled(t *testing.T) {
	t.Parallel()
	rig := newRig(t)
	later := func(d time.Duration) func(*Options) {
		return func(o *Options) {
			now := o.Now()
			o.Now = func() time.Time { return now.Add(d) }
		}
	}
	for _, s := range seeds {
		v := readVector(t, s.vector)
		type spoil struct {
			reason  string // in the log
			setting func(*Options)
			request func(h http.Header, body *string)
		}
		cases := map[string]spoil{
			"another secret": {"bad_signature", func(o *Options) {
				o.Sources[0].Secrets = []config.Secret{config.NewSecret(v.Secret + "x")}
			}, nil},
			"no proof":            {"missing_header", nil, func(h http.Header, _ *string) { h.Del(s.proof) }},
			"a byte of the proof": {"bad_signature", nil, func(h http.Header, _ *string) { h.Set(s.proof, flip(h.Get(s.proof))) }},
		}
		if s.vector != "polytomic-01" { // its token covers no body
			cases["a byte of the body"] = spoil{"bad_signature", nil, func(_ http.Header, body *string) { *body = flip(*body) }}
		}
		if s.timed {
			cases["old"] = spoil{"too_old", later(10 * time.Minute), nil}
			cases["of the future"] = spoil{"too_new", later(-10 * time.Minute), nil}
		}
		for name, c := range cases {
			t.Run(v.Preset+" "+name, func(t *testing.T) {
				var log logtest.Buffer
				o := v.options(rig.bus)
				o.Log = newTestLog(&log)
				if c.setting != nil {
					c.setting(&o)
				}
				h, body := v.header(), v.Body
				if c.request != nil {
					c.request(h, &body)
				}
				resp, answer := do(t, request(t, serve(t, o)+"/webhooks/"+v.Preset, body, h))
				wantError(t, resp, answer, s.fails, "not_verified")
				if !strings.Contains(log.String(), "reason="+c.reason) {
					t.Errorf("want %s in the log: %s", c.reason, log.String())
				}
			})
		}
	}
	if got := rig.stored(t); got != 0 {
		t.Errorf("%d refused requests stored", got)
	}
}

// flip changes the byte before the last but one, which stands for something in all samples and proofs.
func flip(s string) string {
	at := len(s) - 3
	other := byte('a')
	if s[at] == other {
		other = 'b'
	}
	return s[:at] + string(other) + s[at+1:]
}

// TestTwoSecrets sends each sample while its secret is the newer and while it is the older one of two.
func TestTwoSecrets(t *testing.T) {
	t.Parallel()
	for _, s := range seeds {
		t.Run(s.vector, func(t *testing.T) {
			t.Parallel()
			rig := newRig(t)
			v := readVector(t, s.vector)
			signs, other := config.NewSecret(v.Secret), config.NewSecret("another-secret")
			for _, secrets := range [][]config.Secret{{signs, other}, {other, signs}} {
				o := v.options(rig.bus)
				o.Sources[0].Secrets = secrets
				resp, answer := do(t, request(t, serve(t, o)+"/webhooks/"+v.Preset, v.Body, v.header()))
				if resp.StatusCode != s.okay {
					t.Errorf("%d %s", resp.StatusCode, answer)
				}
			}
			if got := rig.stored(t); got != 1 {
				t.Errorf("%d events stored of one", got)
			}
		})
	}
}
