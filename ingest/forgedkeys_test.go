package ingest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"jethook/config"
)

// TestForgedKeysOfOneSource: who makes names of certificates up for one source does not keep another one, nor the address
// of a row, from its first fetch.
func TestForgedKeysOfOneSource(t *testing.T) {
	t.Parallel()
	const fetchBurst = 20 // of one source, at once
	v := readVector(t, "aws-sns-10")
	now := v.options(nil).Now()
	served := &amazon{certs: v.Options.Certs}
	secret := []config.Secret{config.NewSecret("id")}
	o := v.options(accepting)
	o.Sources = append(o.Sources, config.Source{Name: "paypal", Provider: "paypal", Secrets: secret}, config.Source{Name: "shipstation", Provider: "shipstation"})
	o.Now, o.Web = func() time.Time { return now }, &http.Client{Transport: served}
	url := serve(t, o)
	for i := range 3 * fetchBurst {
		do(t, request(t, url+"/webhooks/paypal", "{}", http.Header{
			"Paypal-Transmission-Id": {"1"}, "Paypal-Transmission-Time": {now.UTC().Format(time.RFC3339)}, "Paypal-Transmission-Sig": {"AAAA"},
			"Paypal-Auth-Algo": {"SHA256withRSA"}, "Paypal-Cert-Url": {fmt.Sprint("https://api.paypal.com/v1/notifications/certs/CERT-", i)},
		}))
	}
	asked := func(host string) (n int) {
		for _, address := range served.all() {
			if strings.Contains(address, host) {
				n++
			}
		}
		return n
	}
	if got := asked("api.paypal.com"); got != fetchBurst {
		t.Errorf("%d forged names were asked for, want %d", got, fetchBurst)
	}
	if resp, body := do(t, request(t, url+"/webhooks/aws-sns", v.Body, v.header())); resp.StatusCode != 200 {
		t.Errorf("the first request of another source: %s %s", resp.Status, body)
	}
	do(t, request(t, url+"/webhooks/shipstation", "{}", http.Header{
		"X-Shipengine-Timestamp": {now.UTC().Format(time.RFC3339)}, "X-Shipengine-Rsa-Sha256-Signature": {"AAAA"}, "X-Shipengine-Rsa-Sha256-Key-Id": {"k"},
	}))
	if got := asked("api.shipengine.com"); got != 1 {
		t.Errorf("the key set at a row's address was asked for %d times, want once", got)
	}
}
