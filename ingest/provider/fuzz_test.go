package provider

import (
	"net/http"
	"testing"
)

// FuzzVerify shows that nothing a stranger sends verifies, or makes a sender's code panic.
func FuzzVerify(f *testing.F) {
	for _, v := range readVectors(f) {
		h := v.request().Header
		signature := ""
		for _, s := range samples {
			if s.sender == v.Preset {
				signature = h.Get(s.signature)
			}
		}
		f.Add([]byte(v.Body), signature, h.Get("Webhook-Id"), h.Get("Webhook-Timestamp"), h.Get("Polytomic-Signature-Timestamp"))
	}
	f.Add([]byte(`{"type":">"}`), "v1,AA== v1", "", "99999999999999", "9999-12-31T23:59:60Z")

	type target struct {
		row      Sender
		verifier Verifier
	}
	const secret = "whsec_c3RyYW5nZXJzIGRvIG5vdCBrbm93IHRoaXM="
	var targets []target
	for _, row := range table {
		targets = append(targets, target{row, bind(f, row, secret)})
	}
	for _, name := range []string{"hmac", "token"} {
		for _, o := range []Options{{Header: "X-Sig", Type: "json:@this"}, {Header: "X-Sig", Prefix: "v1,", Type: "json:a.#.b"}} {
			row, _ := Build(name, o)
			targets = append(targets, target{row, bind(f, row, secret)})
		}
	}

	f.Fuzz(func(t *testing.T, body []byte, signature, id, unix, rfc3339 string) {
		h := http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {unix}, "Polytomic-Signature-Timestamp": {rfc3339}, "X-Sig": {signature}}
		for _, s := range samples {
			h[s.signature] = []string{signature, signature}
		}
		for _, target := range targets {
			r := &Request{Method: "POST", Header: h, Body: body}
			if err := target.verifier.Verify(r, at); err == nil {
				t.Errorf("%s accepts a stranger", target.row.Name)
			} else if Reason(err) == "other" {
				t.Errorf("%s: %v has no reason", target.row.Name, err)
			}
			target.row.Event(r)
		}
	})
}
