package ingest

import (
	"context"
	"net/http"
	"net/netip"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"jethook/config"
	"jethook/publish"
)

var accepting = publisherFunc(func(context.Context, *publish.Event) (publish.Receipt, error) {
	return publish.Receipt{}, nil
})

func networks(list ...string) (out []netip.Prefix) {
	for _, n := range list {
		out = append(out, netip.MustParsePrefix(n))
	}
	return out
}

func TestAllowedAddresses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		allowed, proxies []netip.Prefix
		forwarded        []string
		status           int
	}{
		"all":                          {nil, nil, nil, 202},
		"own":                          {networks("127.0.0.0/8"), nil, nil, 202},
		"other":                        {networks("192.0.2.0/24", "2001:db8::/32"), nil, nil, 403},
		"a header that nobody vouches": {networks("192.0.2.0/24"), nil, []string{"192.0.2.1"}, 403},
		"through a proxy":              {networks("192.0.2.0/24"), networks("127.0.0.1/32"), []string{"192.0.2.1"}, 202},
		"through two proxies":          {networks("192.0.2.0/24"), networks("127.0.0.1/32", "10.0.0.0/8"), []string{"192.0.2.1, 10.1.1.1"}, 202},
		"through a proxy from another": {networks("192.0.2.0/24"), networks("127.0.0.1/32"), []string{"192.0.2.1, 203.0.113.9"}, 403},
		"a second header line":         {networks("192.0.2.0/24"), networks("127.0.0.1/32"), []string{"192.0.2.1", "203.0.113.9"}, 403},
		"a proxy that names nobody":    {networks("192.0.2.0/24"), networks("127.0.0.1/32"), nil, 403},
		"not an address":               {networks("192.0.2.0/24"), networks("127.0.0.1/32"), []string{"192.0.2.1, x"}, 403},
		"what can't be read, from a proxy that may send": {networks("127.0.0.0/8"), networks("127.0.0.1/32"), []string{"x"}, 403},
		"nothing, from a proxy that may send":            {networks("127.0.0.0/8"), networks("127.0.0.1/32"), []string{""}, 403},
		"what can't be read between two proxies":         {networks("192.0.2.0/24", "127.0.0.0/8"), networks("127.0.0.0/8"), []string{"192.0.2.1, unknown, 127.0.0.2"}, 403},
		"a proxy that sends itself":                      {networks("127.0.0.0/8"), networks("127.0.0.1/32"), nil, 202},
		"with a port":                                    {networks("192.0.2.0/24"), networks("127.0.0.1/32"), []string{"192.0.2.1:4711"}, 202},
		"with a port, from another":                      {networks("192.0.2.0/24"), networks("127.0.0.1/32"), []string{"192.0.3.1:4711"}, 403},
		"version 6 with a port":                          {networks("2001:db8::/32"), networks("127.0.0.1/32"), []string{"[2001:db8::7]:4711"}, 202},
		"version 6 in brackets":                          {networks("2001:db8::/32"), networks("127.0.0.1/32"), []string{"[2001:db8::7]"}, 202},
		"version 6 with a zone":                          {networks("fe80::/10"), networks("127.0.0.1/32"), []string{"fe80::7%eth0"}, 202},
		"a proxy's port":                                 {networks("192.0.2.0/24"), networks("127.0.0.1/32", "10.0.0.0/8"), []string{"192.0.2.1:1, 10.1.1.1:2"}, 202},
		"version 6":                                      {networks("2001:db8::/32"), networks("127.0.0.1/32"), []string{"2001:db8::7"}, 202},
		"version 4 in version 6's form":                  {networks("192.0.2.0/24"), networks("127.0.0.1/32"), []string{"::ffff:192.0.2.1"}, 202},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			src := plain("plain")
			src.AllowedIPs = test.allowed
			url := serve(t, Options{Sources: []config.Source{src}, Proxies: test.proxies, Publisher: accepting})
			r := signed(t, url+"/webhooks/plain", "{}")
			r.Header["X-Forwarded-For"] = test.forwarded
			resp, body := do(t, r)
			if resp.StatusCode != test.status {
				t.Errorf("status %d, want %d: %s", resp.StatusCode, test.status, body)
			}
			if test.status == http.StatusForbidden {
				wantError(t, resp, body, 403, "address_not_allowed")
			}
		})
	}
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	src := plain("plain")
	src.RateLimit = config.Rate{Count: 20, Per: time.Minute}
	now := time.Now()
	url := serve(t, Options{Sources: []config.Source{src}, Publisher: accepting, Now: func() time.Time { return now }})
	for range 50 { // strangers use nothing up
		r := signed(t, url+"/webhooks/plain", "{}")
		r.Header.Set("X-Polaris-Signature", "00")
		if resp, _ := do(t, r); resp.StatusCode != 401 {
			t.Fatalf("status %d", resp.StatusCode)
		}
	}
	for i := range leastBurst {
		if resp, body := do(t, signed(t, url+"/webhooks/plain", "{}")); resp.StatusCode != 202 {
			t.Fatalf("request %d: %d %s", i, resp.StatusCode, body)
		}
	}
	resp, body := do(t, signed(t, url+"/webhooks/plain", "{}"))
	wantError(t, resp, body, 429, "rate_limited")
	wait, err := strconv.Atoi(resp.Header.Get("Retry-After"))
	if err != nil || wait != 3 {
		t.Fatalf("Retry-After %q, want 3", resp.Header.Get("Retry-After"))
	}
	now = now.Add(time.Duration(wait) * time.Second)
	if resp, body := do(t, signed(t, url+"/webhooks/plain", "{}")); resp.StatusCode != 202 {
		t.Fatalf("after the pause: %d %s", resp.StatusCode, body)
	}
}

// A source that sends as fast as it may gets its rate, whatever is refused in between.
func TestRateLimitHoldsItsRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		src := &source{limiter: newLimiter(config.Rate{Count: 100, Per: time.Second})}
		taken := 0
		for range 10_000 {
			if src.admit(time.Now()) == nil {
				taken++
			}
			time.Sleep(time.Millisecond)
		}
		if taken < 1090 || taken > 1110 { // ten seconds, and what may come at once
			t.Errorf("%d requests in 10 s, want about 1,100", taken)
		}
	})
}
