package address

import (
	"net/http"
	"net/netip"
	"testing"
)

// FuzzForwarded: what a stranger sends before it never hides what the proxy adds.
func FuzzForwarded(f *testing.F) {
	f.Add(`for=192.0.2.7;x="`)
	f.Add(`for=192.0.2.7, for="a`)
	f.Add(`for="\`)
	f.Fuzz(func(t *testing.T, before string) {
		a := Proxies{netip.MustParsePrefix("127.0.0.1/32")}
		for _, added := range []string{"for=203.0.113.7", `for="203.0.113.7:80"`, `by=_x;for="203.0.113.7"`, `for=203.0.113.7;host="a"`} {
			r := &http.Request{RemoteAddr: "127.0.0.1:1", Header: http.Header{"Forwarded": {before + ", " + added}}}
			if got := a.Sender(r); got.IsValid() && got.String() != "203.0.113.7" {
				t.Errorf("%s, %s: %s", before, added, got)
			}
		}
	})
}
