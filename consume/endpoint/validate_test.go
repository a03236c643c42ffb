package endpoint_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"jethook/consume/endpoint"
)

// spoil is a change to a valid spec and the field that must be named, or none.
type spoil struct {
	name  string
	field string
	apply func(*endpoint.Spec)
}

func TestValidation(t *testing.T) {
	t.Parallel()
	var cases []spoil
	str := func(field func(*endpoint.Spec) **string, name, want string, values ...string) {
		for _, v := range values {
			cases = append(cases, spoil{fmt.Sprintf("%s %.60q", name, v), want, func(s *endpoint.Spec) { *field(s) = &v }})
		}
	}
	name := func(s *endpoint.Spec) **string { return &s.Name }
	url := func(s *endpoint.Spec) **string { return &s.URL }
	secret := func(s *endpoint.Spec) **string { return &s.Secret }
	timeout := func(s *endpoint.Spec) **string { return &s.Timeout }
	rate := func(s *endpoint.Spec) **string { return &s.RateLimit }
	encoded := func(n int) string { return "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, n)) }

	str(name, "name", "", "x", strings.Repeat("ü", 128), "日本 orders")
	str(name, "name", "name", "", " ", strings.Repeat("x", 129), "a\nb", "a\x00b", "\xff", "a\u200bb")
	str(url, "url", "",
		"http://example.com", "https://example.com:8443/a?b=c", "HTTPS://EXAMPLE.com", "http://93.184.216.34/x", "http://[2606:4700::1111]:80/",
		"http://my_service:3000/hook", "https://bücher.example/", "http://example.com./")
	str(url, "url", "url",
		"", "example.com", "/hook", "ftp://example.com", "http://", "http:///x", "http:example.com", "http://:80/", "://",
		"https://user@example.com", "https://user:pw@example.com", "https://@example.com/", "https://example.com/#top", "https://example.com/#",
		"http://example.com:0", "http://example.com:65536", "http://example.com:x", "http://exa mple.com", "http://exa\"mple.com", "http://a..b",
		"http://-x.example", "http://example.com/a\nb", "https://example.com/"+strings.Repeat("x", 2048),
		"http://127.0.0.1", "http://localhost:3000", "http://LOCALHOST.", "http://api.localhost", "http://10.1.2.3", "http://169.254.169.254/latest",
		"http://168.63.129.16", "http://[::1]", "http://[::ffff:127.0.0.1]", "http://[fe80::1%25eth0]", "http://[64:ff9b::a9fe:a9fe]", "http://0.0.0.0")
	str(secret, "secret", "", "12345678", strings.Repeat("x", 256), "with space in it", encoded(16), encoded(64), "")
	str(secret, "secret", "secret", "1234567", strings.Repeat("x", 257), "tab\tinside", " leading-space", "trailing-space ", "ünicode-secret",
		encoded(15), encoded(65), "whsec_", "whsec_not base64 at all", "whsec_"+strings.Repeat("-", 24))
	str(timeout, "timeout", "", "100ms", "5m", "1m30s", "")
	str(timeout, "timeout", "timeout", "99ms", "0s", "-1s", "5m1s", "10", "soon")
	str(rate, "rate_limit", "", "1/s", "600/m", "1000000/h", "")
	str(rate, "rate_limit", "rate_limit", "0/s", "-1/s", "1000001/s", "1.5/s", "10", "10/", "/s", "10/d", "10/s/s", "10 / s", "fast")

	for _, c := range []struct {
		field, pattern string
	}{
		{"", "events.>"},
		{"", "events.*"},
		{"", "events.order.created"},
		{"", "events.*.x.>"},
		{"", "webhooks.polar.>"},
		{"", "webhooks.*.order.ü"},
		{"", "jethook.ops.>"},
		{"", "jethook.ops.endpoint.*"},
		{"", "events." + strings.Repeat("x", 505)},
		{"events[1]", ""},
		{"events[1]", ">"},
		{"events[1]", "*"},
		{"events[1]", "*.order"},
		{"events[1]", "events"},
		{"events[1]", "events."},
		{"events[1]", "event.x"},
		{"events[1]", "Events.x"},
		{"events[1]", "jethook.>"},
		{"events[1]", "jethook.due.x"},
		{"events[1]", "jethook.*.x"},
		{"events[1]", "$JS.API.>"},
		{"events[1]", "events..x"},
		{"events[1]", "events.x."},
		{"events[1]", "events.>.x"},
		{"events[1]", "events.x>"},
		{"events[1]", "events.*x"},
		{"events[1]", "events.**"},
		{"events[1]", "events.a b"},
		{"events[1]", "events.a\tb"},
		{"events[1]", "events.\x00"},
		{"events[1]", "events.\xff"},
		{"events[1]", "events.\u200b"},
		{"events[1]", "events." + strings.Repeat("x", 506)},
	} {
		cases = append(cases, spoil{fmt.Sprintf("event %.60q", c.pattern), c.field, func(s *endpoint.Spec) { s.Events = []string{"events.ok", c.pattern} }})
	}

	header := func(name, value, field string) spoil {
		return spoil{fmt.Sprintf("header %.40q: %.20q", name, value), field, func(s *endpoint.Spec) { s.Headers = map[string]string{name: value} }}
	}
	cases = append(cases, header("X-Team", "payments", ""), header("Authorization", "Bearer x", ""), header("user-agent", "x", ""), header("X-A", "", ""))
	for _, name := range []string{
		"webhook-id", "Webhook-Signature", "WEBHOOK-x", "jethook-attempt", "content-length", "Content-Type", "Content-Encoding", "Host",
		"Transfer-Encoding", "connection", "Keep-Alive", "TE", "trailer", "Upgrade", "Expect", "Proxy-Authorization", "traceparent", "Idempotency-Key",
		"", "a b", "a:b", "a\r\nb", "ü", strings.Repeat("x", 129),
	} {
		cases = append(cases, header(name, "x", "headers."+name))
	}
	for _, value := range []string{"a\r\nX-Evil: 1", "a\nb", "a\x00", "\x7f", strings.Repeat("x", 4097)} {
		cases = append(cases, header("X-A", value, "headers.X-A"))
	}

	signature := func(scheme, header, field string) spoil {
		return spoil{fmt.Sprintf("signature %s %q", scheme, header), field, func(s *endpoint.Spec) {
			s.Signature = &endpoint.SignatureSpec{Scheme: scheme, Header: header}
		}}
	}
	cases = append(cases,
		signature("", "", ""), signature("standard", "", ""), signature("hmac", "", ""), signature("hmac", "x-polaris-signature", ""),
		signature("hmac", "webhook-signature", ""), signature("bearer", "", ""), signature("bearer", "Polytomic-Signature-Timestamp", ""),
		signature("standard", "X-Sig", "signature.header"), signature("", "X-Sig", "signature.header"), signature("HMAC", "", "signature.scheme"),
		signature("md5", "", "signature.scheme"), signature("hmac", "a b", "signature.header"), signature("hmac", "Webhook-Id", "signature.header"),
		signature("hmac", "Content-Length", "signature.header"), signature("hmac", "Jethook-Sig", "signature.header"),
		signature("bearer", "authorization", "signature.header"), signature("bearer", "webhook-signature", "signature.header"),
		spoil{"hmac takes a secret that only looks encoded", "", func(s *endpoint.Spec) {
			s.Signature, s.Secret = &endpoint.SignatureSpec{Scheme: "hmac"}, new("whsec_as-it-is")
		}},
		spoil{"hmac collides with a header", "headers.X-Sig", func(s *endpoint.Spec) {
			s.Signature, s.Headers = &endpoint.SignatureSpec{Scheme: "hmac", Header: "x-sig"}, map[string]string{"X-SIG": "1"}
		}},
		spoil{"bearer collides with a header", "headers.Authorization", func(s *endpoint.Spec) {
			s.Signature, s.Headers = &endpoint.SignatureSpec{Scheme: "bearer"}, map[string]string{"authorization": "1"}
		}},
		spoil{"a header twice", "headers.x-a", func(s *endpoint.Spec) { s.Headers = map[string]string{"x-a": "1", "X-A": "2"} }},
		spoil{"51 headers", "headers", func(s *endpoint.Spec) {
			s.Headers = make(map[string]string)
			for i := range 51 {
				s.Headers[fmt.Sprintf("X-%d", i)] = "1"
			}
		}},
		spoil{"no events", "events", func(s *endpoint.Spec) { s.Events = []string{} }},
		spoil{"101 events", "events", func(s *endpoint.Spec) { s.Events = slices.Repeat([]string{"events.x"}, 101) }},
		spoil{"20 pauses", "", func(s *endpoint.Spec) { s.RetrySchedule = slices.Repeat([]string{"1h"}, 20) }},
		spoil{"21 pauses", "retry_schedule", func(s *endpoint.Spec) { s.RetrySchedule = slices.Repeat([]string{"1h"}, 21) }},
		spoil{"pause of 0", "retry_schedule[1]", func(s *endpoint.Spec) { s.RetrySchedule = []string{"1h", "0s"} }},
		spoil{"pause too long", "retry_schedule[0]", func(s *endpoint.Spec) { s.RetrySchedule = []string{"168h1s"} }},
		spoil{"pause without unit", "retry_schedule[0]", func(s *endpoint.Spec) { s.RetrySchedule = []string{"5"} }},
		spoil{"concurrency 1000", "", func(s *endpoint.Spec) { s.Concurrency = new(1000) }},
		spoil{"concurrency 1001", "concurrency", func(s *endpoint.Spec) { s.Concurrency = new(1001) }},
		spoil{"concurrency -1", "concurrency", func(s *endpoint.Spec) { s.Concurrency = new(-1) }},
		spoil{"format", "format", func(s *endpoint.Spec) { s.Format = new("Slack") }},
	)

	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := validSpec()
			c.apply(s)
			_, err := endpoint.New(s, public, testNow)
			var problems endpoint.Problems
			errors.As(err, &problems)
			if c.field == "" && err != nil {
				t.Fatalf("refused: %v", err)
			}
			if c.field != "" && (len(problems) != 1 || problems[0].Field != c.field || problems[0].Message == "") {
				t.Fatalf("got %q, want one problem of %s", problems, c.field)
			}
		})
	}
}

func TestValidationReportsEverything(t *testing.T) {
	t.Parallel()
	_, err := endpoint.New(&endpoint.Spec{}, public, testNow)
	if want := "name is required; url is required; events is required"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	e := mustNew(t, validSpec())
	_, err = e.With(&endpoint.Spec{
		URL: new("x"), Events: []string{">", "a b"}, Secret: new("short"), Signature: &endpoint.SignatureSpec{Scheme: "x"},
		Headers: map[string]string{"Host": "a", "b c": "d"}, RetrySchedule: []string{"x"}, Timeout: new("x"), RateLimit: new("x"), Concurrency: new(-5),
	}, public, testNow)
	var problems endpoint.Problems
	errors.As(err, &problems)
	var fields []string
	for _, p := range problems {
		fields = append(fields, p.Field)
	}
	want := []string{
		"url", "events[0]", "events[1]", "signature.scheme", "secret", "headers.Host", "headers.b c", "retry_schedule[0]", "timeout", "rate_limit", "concurrency",
	}
	if !slices.Equal(fields, want) {
		t.Errorf("got %q, want %q", fields, want)
	}
}

// A scheme can be changed only to one that the secret in use fits.
func TestSecretMustFitNewScheme(t *testing.T) {
	t.Parallel()
	s := validSpec()
	s.Signature, s.Secret = &endpoint.SignatureSpec{Scheme: "hmac"}, new("whsec_as-it-is")
	e := mustNew(t, s)
	var problems endpoint.Problems
	if _, err := e.With(&endpoint.Spec{Signature: &endpoint.SignatureSpec{}}, public, testNow); !errors.As(err, &problems) || problems[0].Field != "secret" {
		t.Errorf("got %v", err)
	}
}

func TestAddressPolicy(t *testing.T) {
	t.Parallel()
	private := endpoint.NewAddressPolicy([]netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8"), netip.MustParsePrefix("::ffff:192.168.0.0/112"),
		netip.MustParsePrefix("fe80::/10"), netip.MustParsePrefix("168.63.129.16/32"),
	})
	for _, c := range []struct {
		addr            string
		public, private bool
	}{
		{"8.8.8.8", true, true},
		{"::ffff:8.8.8.8", true, true},
		{"2606:4700:4700::1111", true, true},
		{"10.1.2.3", false, true},
		{"::ffff:10.1.2.3", false, true},
		{"192.168.7.7", false, true},
		{"192.169.7.7", true, true},
		{"fd12::1", false, true},
		{"fd00:ec2::254", false, true}, // AWS metadata
		{"fe80::1%eth0", false, true},
		{"168.63.129.16", false, true}, // Azure wire server
		{"::ffff:168.63.129.16", false, true},
		{"0.0.0.0", false, false},
		{"0.1.2.3", false, false},
		{"127.0.0.1", false, false},
		{"127.255.255.254", false, false},
		{"100.64.0.1", false, false},
		{"100.100.100.200", false, false}, // Alibaba metadata
		{"169.254.169.254", false, false},
		{"172.16.0.1", false, false},
		{"172.32.0.1", true, true},
		{"192.0.0.192", false, false}, // Oracle metadata
		{"192.0.2.1", false, false},
		{"198.18.0.1", false, false},
		{"224.0.0.1", false, false},
		{"255.255.255.255", false, false},
		{"::", false, false},
		{"::1", false, false},
		{"::ffff:127.0.0.1", false, false},
		{"::127.0.0.1", false, false},
		{"64:ff9b::7f00:1", false, false},    // NAT64: 127.0.0.1
		{"64:ff9b::a00:1", false, true},      // 10.0.0.1
		{"64:ff9b::a9fe:a9fe", false, false}, // 169.254.169.254
		{"64:ff9b::808:808", true, true},     // 8.8.8.8: all that a network without IPv4 can reach
		{"64:ff9b:1::a00:1", false, false},   // local NAT64
		{"2002:7f00:1::", false, false},      // 6to4
		{"2001:0:7f00:1::", false, false},    // Teredo
		{"2001:db8::1", false, false},        // documentation
		{"fec0::1", false, false},            // site-local
		{"ff02::1", false, false},            // multicast
		{"100::1", false, false},             // discard
		{"fd20:ce::254", false, true},        // Google metadata
		{"::ffff:0:127.0.0.1", false, false}, // SIIT
	} {
		addr := netip.MustParseAddr(c.addr)
		for policy, want := range map[*endpoint.AddressPolicy]bool{public: c.public, private: c.private} {
			err := policy.Check(addr)
			if (err == nil) != want || err != nil && !errors.Is(err, endpoint.ErrAddressRefused) {
				t.Errorf("%s: %v", c.addr, err)
			}
		}
	}
	if public.Check(netip.Addr{}) == nil {
		t.Error("no address at all is allowed")
	}
}

// Allowing the prefix of NAT64 opens no metadata service behind it.
func TestNAT64PrefixAllowsNothingPrivate(t *testing.T) {
	t.Parallel()
	policy := endpoint.NewAddressPolicy([]netip.Prefix{netip.MustParsePrefix("64:ff9b::/96")})
	for address, want := range map[string]bool{"64:ff9b::a9fe:a9fe": false, "64:ff9b::7f00:1": false, "64:ff9b::808:808": true} {
		if err := policy.Check(netip.MustParseAddr(address)); (err == nil) != want {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestLocalhostWhenAllowed(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"127.0.0.0/8", "::1/128"} {
		policy := endpoint.NewAddressPolicy([]netip.Prefix{netip.MustParsePrefix(network)})
		s := validSpec()
		s.URL = new("http://localhost:3000/hook")
		if _, err := endpoint.New(s, policy, testNow); err != nil {
			t.Errorf("%s allowed: %v", network, err)
		}
	}
}
