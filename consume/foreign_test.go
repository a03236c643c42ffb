package consume_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"jethook/consume/deliveries"
)

// A service may publish on any subject below webhooks. whatever source it names, its delivery waits, can be asked for by
// its id, and holds up no other.
func TestForeignSources(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, time.Hour))
	rc := receive(t, always(http.StatusInternalServerError))
	r.add(t, rc.URL, nil, "webhooks.>")
	for _, source := range []string{strings.Repeat("x", 4000), "a+b~c", "polar"} {
		if _, err := r.js.Publish(t.Context(), "webhooks."+source+".order.paid", []byte("{}")); err != nil {
			t.Fatal(err)
		}
		rc.next(t)
	}
	var waiting []deliveries.Delivery
	eventually(t, "all wait", func() bool {
		waiting = r.list(t, deliveries.Query{Status: deliveries.StatusWaiting})
		return len(waiting) == 3
	})
	for _, d := range waiting {
		if err := r.ledger.Retry(t.Context(), d.ID); err != nil {
			t.Errorf("retrying %.120s: %v", d.ID, err)
		}
		rc.next(t)
	}
}
