package provider

import (
	"errors"
	"runtime"
	"strings"
	"testing"
)

// TestManyItems: a stranger's millions of items cost no memory, and those of a sender are not split without end.
func TestManyItems(t *testing.T) {
	items := strings.Repeat(`{},`, 1<<17) + `{}`
	_, rc := sampleFor(t, "adyen").bound(t)
	forged := request(`{"notificationItems":[` + items + `]}`)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := rc.Receive(forged, at); !errors.Is(err, ErrMissingField) {
		t.Errorf("items without signatures: %v", err)
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 { // no other test runs meanwhile
		t.Errorf("%d bytes taken for a forged request", took)
	}
	for n, want := range map[int]int{maxEvents: maxEvents, maxEvents + 1: 1} {
		body := `[` + strings.Repeat(`{"eventType":"a","id":"1"},`, n-1) + `{"eventType":"a","id":"1"}]`
		rc := receiver(t, "azure-event-grid", "s")
		outcome, err := rc.Receive(asked("POST", "token=s", body), at)
		if err != nil || len(outcome.Events) != want {
			t.Errorf("%d items: %d events, %v", n, len(outcome.Events), err)
		}
		if want == 1 && (string(outcome.Events[0].Body) != body || outcome.Events[0].ID != "" || outcome.Events[0].Type != "a") {
			t.Errorf("the request as one event: type %q, id %q", outcome.Events[0].Type, outcome.Events[0].ID)
		}
	}
}

// TestManyParts: a form of more parts than any sender has is not read to its end.
func TestManyParts(t *testing.T) {
	t.Parallel()
	const part = "--B\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n\r\n"
	const last = "--B\r\nContent-Disposition: form-data; name=\"json\"\r\n\r\n{}\r\n--B--\r\n"
	for n, want := range map[int]string{maxParts - 2: "{}", maxParts: ""} {
		r := request(strings.Repeat(part, n) + last)
		r.Header.Set("Content-Type", "multipart/form-data; boundary=B")
		if got := string(r.partText("json")); got != want {
			t.Errorf("after %d parts: %q, want %q", n, got, want)
		}
	}
}
