package provider

import (
	"strings"
	"testing"
)

// BenchmarkVerify is one request with 1 KB of body for each family and, as "event", reading its type and id.
func BenchmarkVerify(b *testing.B) {
	body := `{"type":"order.created","id":"evt_1","data":"` + strings.Repeat("x", 978) + `"}`
	for name, sender := range map[string]string{"hmac": "polaris", "standard": "standard-webhooks", "token": "polytomic"} {
		b.Run(name, func(b *testing.B) {
			s := sampleOf(sender)
			row, _ := Lookup(sender)
			v := bind(b, row, s.secrets[0])
			r := &Request{Method: "POST", Header: s.sign(s.secrets[0], body, at), Body: []byte(body)}
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if err := v.Verify(r, at); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("event", func(b *testing.B) {
		row, _ := Lookup("polaris")
		bytes := []byte(body)
		b.ReportAllocs()
		for b.Loop() {
			if _, id := row.Event(&Request{Body: bytes}); id != "evt_1" {
				b.Fatal(id)
			}
		}
	})
}

func sampleOf(sender string) sample {
	for _, s := range samples {
		if s.sender == sender {
			return s
		}
	}
	return sample{}
}
