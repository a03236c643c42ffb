package attempt

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"jethook/consume/endpoint"
)

var quiet = log.New(io.Discard, "", 0)

// dnsServer answers every question for an address with these, each with those of its kind; without any, that there is no such name.
func dnsServer(t *testing.T, addrs ...string) *net.Resolver {
	t.Helper()
	rcode := dnsmessage.RCodeSuccess
	if len(addrs) == 0 {
		rcode = dnsmessage.RCodeNameError
	}
	return names(t, func(int) ([]string, dnsmessage.RCode, bool) { return addrs, rcode, true })
}

// Every form of an address that is not public is refused, and nothing reaches a server there.
func TestGuardRefuses(t *testing.T) {
	t.Parallel()
	reached := make(chan struct{}, 1)
	url := rawServer(t, func(net.Conn) { reached <- struct{}{} })
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(url, "http://"))
	c := newClient(t, Options{})
	for _, host := range []string{
		"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0", "[::]", "127.1.2.3", "10.0.0.1",
		"172.16.0.1", "192.168.0.1", "100.64.0.1", "100.100.100.200", "169.254.169.254", "168.63.129.16", "[::ffff:168.63.129.16]", "192.0.0.192",
		"[64:ff9b::7f00:1]", "[64:ff9b:1::a00:1]", "[2002:7f00:1::]", "[fe80::1%25lo]", "[fd00:ec2::254]", "[fd20:ce::254]", "224.0.0.1", "255.255.255.255",
	} {
		res := c.Do(t.Context(), requestTo(endpointAt("http://"+host+":"+port)))
		expect(t, res, Failed, ClassAddressRefused)
		if !strings.Contains(res.Detail, "is not a public address") || !strings.Contains(res.Detail, "JETHOOK_ALLOWED_NETWORKS") {
			t.Errorf("%s: %s", host, res.Detail)
		}
	}
	select {
	case <-reached:
		t.Error("a request got through")
	default:
	}
}

func TestGuardAfterDNS(t *testing.T) {
	t.Parallel()
	url := rawServer(t, answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(url, "http://"))
	named := requestTo(endpointAt("http://hook.example.com:" + port))

	for _, addrs := range [][]string{
		{"127.0.0.1"},
		{"::1"},
		{"::ffff:127.0.0.1"},
		{"10.0.0.1"},
		{"192.168.0.1"},
		{"100.64.0.1"},
		{"169.254.169.254"},
		{"168.63.129.16"},
		{"64:ff9b::7f00:1"},
		{"fe80::1"},
		{"fd00:ec2::254"},
		{"10.0.0.1", "127.0.0.1", "169.254.169.254"},
		{"127.0.0.1", "::1", "fd00::1"},
	} {
		c := newClient(t, Options{Resolver: dnsServer(t, addrs...)})
		res := c.Do(t.Context(), named)
		expect(t, res, Failed, ClassAddressRefused)
		if t.Failed() {
			t.Fatalf("%v: %s", addrs, res.Detail)
		}
	}

	// Of several addresses, those that are allowed are tried.
	c := newClient(t, Options{Resolver: dnsServer(t, "10.0.0.1", "::1", "127.0.0.1"), AllowedNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	expect(t, c.Do(t.Context(), named), Delivered, ClassOK)
}

func TestDNSFaults(t *testing.T) {
	t.Parallel()
	r := requestTo(endpointAt("http://hook.example.com/path"))
	res := newClient(t, Options{Resolver: dnsServer(t)}).Do(t.Context(), r)
	expect(t, res, Failed, ClassDNS)
	if res.Detail != `the host "hook.example.com" is not known` {
		t.Errorf("detail %q", res.Detail)
	}
	// Without any name server, or with one that answers nothing, the fault is ours.
	broken := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("no name server")
	}}
	expect(t, newClient(t, Options{Resolver: broken}).Do(t.Context(), r), Aborted, ClassLocal)
	r.Endpoint.Timeout = endpoint.Duration(100 * time.Millisecond)
	silent := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	expect(t, newClient(t, Options{Resolver: silent}).Do(t.Context(), r), Aborted, ClassLocal)
}
