package ingest

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"jethook/config"
	"jethook/config/logtest"
	"jethook/config/quantity"
	"jethook/publish/event"
	"jethook/publish/groupcommit"
)

var accepting = publisherFunc(func(context.Context, *event.Event) (groupcommit.Receipt, error) {
	return groupcommit.Receipt{}, nil
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

// TestForwardedAddresses: Forwarded and X-Real-IP are read as X-Forwarded-For is, and no header outdoes another one. Allowed
// are 192.0.2.0/24 and 2001:db8::/32, trusted is the test's own address and 10.0.0.0/8.
func TestForwardedAddresses(t *testing.T) {
	t.Parallel()
	type headers = http.Header
	src := plain("plain")
	src.AllowedIPs = networks("192.0.2.0/24", "2001:db8::/32")
	own := plain("own")
	own.AllowedIPs = networks("127.0.0.1/32")
	url := serve(t, Options{Sources: []config.Source{src, own}, Proxies: networks("127.0.0.1/32", "10.0.0.0/8"), Publisher: accepting})
	direct := serve(t, Options{Sources: []config.Source{src}, Publisher: accepting})
	for name, test := range map[string]struct {
		header headers
		to     string
		status int
	}{
		"Azure":                          {headers{"X-Forwarded-For": {"192.0.2.7:17085"}}, url, 202},
		"Azure, version 6":               {headers{"X-Forwarded-For": {"[2001:db8::1]:443"}}, url, 202},
		"Azure, another":                 {headers{"X-Forwarded-For": {"203.0.113.7:17085"}}, url, 403},
		"a port that is none":            {headers{"X-Forwarded-For": {"192.0.2.7:x"}}, url, 403},
		"version 6 and port, ambiguous":  {headers{"X-Forwarded-For": {"2001:db8:1:2:3:4:5:6:443"}}, url, 403},
		"Forwarded":                      {headers{"Forwarded": {"for=192.0.2.7"}}, url, 202},
		"Forwarded, others around":       {headers{"Forwarded": {`proto=https;For="192.0.2.7:4711" ; by=203.0.113.43;host="a,b"`}}, url, 202},
		"Forwarded, version 6":           {headers{"Forwarded": {`for="[2001:db8:cafe::17]:4711"`}}, url, 202},
		"Forwarded, another":             {headers{"Forwarded": {"for=203.0.113.7"}}, url, 403},
		"Forwarded, two proxies":         {headers{"Forwarded": {"for=192.0.2.7, for=10.1.1.1"}}, url, 202},
		"Forwarded, forged before":       {headers{"Forwarded": {"for=192.0.2.7, for=203.0.113.7"}}, url, 403},
		"Forwarded, two lines":           {headers{"Forwarded": {"for=203.0.113.7", "for=192.0.2.7;proto=https"}}, url, 202},
		"Forwarded, forged in a line":    {headers{"Forwarded": {"for=192.0.2.7", "for=203.0.113.7"}}, url, 403},
		"Forwarded, unknown":             {headers{"Forwarded": {"for=unknown"}}, url, 403},
		"Forwarded, hidden":              {headers{"Forwarded": {"for=_hidden"}}, url, 403},
		"Forwarded, nobody":              {headers{"Forwarded": {"proto=https"}}, url, 403},
		"Forwarded, empty":               {headers{"Forwarded": {""}}, url, 403},
		"Forwarded, an open quote":       {headers{"Forwarded": {`for=192.0.2.7;x=", for=203.0.113.7`}}, url, 403},
		"Forwarded, closed by the proxy": {headers{"Forwarded": {`for=192.0.2.7;x=", for="[2001:db9::1]"`}}, url, 403},
		"Forwarded, two for one":         {headers{"Forwarded": {"for=192.0.2.7;for=192.0.2.8"}}, url, 403},
		"Forwarded, a backslash":         {headers{"Forwarded": {`for="192.0.2.7\"`}}, url, 403},
		"X-Real-IP":                      {headers{"X-Real-Ip": {"192.0.2.7"}}, url, 202},
		"X-Real-IP with a port":          {headers{"X-Real-Ip": {"192.0.2.7:80"}}, url, 202},
		"X-Real-IP, another":             {headers{"X-Real-Ip": {"203.0.113.7"}}, url, 403},
		"X-Real-IP, twice":               {headers{"X-Real-Ip": {"192.0.2.7", "203.0.113.7"}}, url, 403},
		"X-Real-IP, a list":              {headers{"X-Real-Ip": {"192.0.2.7, 203.0.113.7"}}, url, 403},
		"X-Real-IP, empty":               {headers{"X-Real-Ip": {""}}, url, 403},
		"all agree":                      {headers{"X-Real-Ip": {"192.0.2.7"}, "X-Forwarded-For": {"192.0.2.7:4711"}, "Forwarded": {"for=192.0.2.7"}}, url, 202},
		"X-Real-IP is a proxy":           {headers{"X-Real-Ip": {"10.1.1.1"}, "X-Forwarded-For": {"192.0.2.7, 10.1.1.1"}}, url, 202},
		"X-Forwarded-For is a proxy":     {headers{"X-Real-Ip": {"192.0.2.7"}, "X-Forwarded-For": {"10.1.1.1"}}, url, 202},
		"X-Forwarded-For is forged":      {headers{"X-Real-Ip": {"203.0.113.7"}, "X-Forwarded-For": {"192.0.2.7"}}, url, 403},
		"X-Real-IP is forged":            {headers{"X-Real-Ip": {"192.0.2.7"}, "X-Forwarded-For": {"203.0.113.7"}}, url, 403},
		"Forwarded is forged":            {headers{"Forwarded": {"for=192.0.2.7"}, "X-Forwarded-For": {"203.0.113.7"}}, url, 403},
		"one can't be read":              {headers{"Forwarded": {"for=unknown"}, "X-Forwarded-For": {"192.0.2.7"}}, url, 403},
		"nobody vouches":                 {headers{"Forwarded": {"for=192.0.2.7"}, "X-Real-Ip": {"192.0.2.7"}}, direct, 403},
		"never the proxy's own":          {headers{"Forwarded": {"for=203.0.113.7"}}, url + "/own", 403},
		"never the proxy's own, unread":  {headers{"X-Real-Ip": {"x"}}, url + "/own", 403},
		"the proxy itself":               {headers{"X-Unrelated": {"x"}}, url + "/own", 202},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to, own := strings.CutSuffix(test.to, "/own")
			to += "/webhooks/plain"
			if own {
				to = url + "/webhooks/own"
			}
			r := signed(t, to, "{}")
			for name, lines := range test.header {
				r.Header[name] = lines
			}
			resp, body := do(t, r)
			if resp.StatusCode != test.status {
				t.Errorf("status %d, want %d: %s", resp.StatusCode, test.status, body)
			}
		})
	}
}

// TestUnreadableAddressIsLogged: an operator learns why everyone is refused.
func TestUnreadableAddressIsLogged(t *testing.T) {
	t.Parallel()
	src := plain("plain")
	src.AllowedIPs = networks("192.0.2.0/24")
	var log logtest.Buffer
	url := serve(t, Options{
		Sources: []config.Source{src}, Proxies: networks("127.0.0.1/32"), Publisher: accepting, Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	for range 2 {
		r := signed(t, url+"/webhooks/plain", "{}")
		r.Header.Set("Forwarded", "for=unknown")
		if resp, body := do(t, r); resp.StatusCode != 403 {
			t.Fatal(resp.Status, body)
		}
	}
	if strings.Count(log.String(), errNoAddress.Error()) != 1 {
		t.Errorf("log: %s", log.String())
	}
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	src := plain("plain")
	src.RateLimit = quantity.Rate{Count: 20, Per: time.Minute}
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
		src := &reception{limiter: newLimiter(quantity.Rate{Count: 100, Per: time.Second})}
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
