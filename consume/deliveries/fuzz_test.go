package deliveries

import (
	"encoding/json"
	"testing"

	"jethook/consume/history"
)

// Whatever lies on the history, it is a line that can be shown, or none.
func FuzzLine(f *testing.F) {
	for _, text := range []string{
		`{"time":"2026-01-02T15:04:05Z","delivery":"ep_1.events:evt_1","endpoint":"ep_1","event_id":"evt_1","type":"a","attempt":1,"outcome":"delivered","class":"ok","duration_ms":1.5,"sent":{"url":"https://x/","own":["X-A"]}}`,
		`{"sent":{"stamp":"","secret":"","own":[null]}}`, `{"duration_ms":1e308,"time":"0001-01-01T00:00:00Z"}`, `[[[[`, `{"delivery":{"delivery":"x"}}`, ``,
	} {
		f.Add([]byte(text))
	}
	matches := (&AttemptQuery{Delivery: "ep_1.events:evt_1", EventID: "evt_1", Type: "a.*"}).matcher()
	f.Fuzz(func(t *testing.T, data []byte) {
		matches(data) // before it is known to be JSON
		a, err := history.Parse(data)
		if err != nil {
			return
		}
		a.Ended()
		if _, err := json.Marshal(a); err != nil && a.Time.Year() >= 0 && a.Time.Year() <= 9999 {
			t.Errorf("%+v: %v", a, err)
		}
	})
}
