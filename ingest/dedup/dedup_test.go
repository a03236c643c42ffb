package dedup

import (
	"fmt"
	"testing"
	"time"

	"jethook/ingest/provider"
)

// beforeTurn is just before a slot of ten seconds ends: what is sent next is in another one.
var beforeTurn = time.Unix(1_790_000_009, 900_000_000)

// TestDedupWindowOfTheStore: no id is expected to be remembered for longer than the store does.
func TestDedupWindowOfTheStore(t *testing.T) {
	t.Parallel()
	row, _ := provider.Lookup("dropbox")
	d := New(0, &row)
	d.Within(time.Second)
	if first, second := d.Name("a", true, beforeTurn), d.Name("a", true, beforeTurn.Add(2*time.Second)); first == second {
		t.Errorf("two events have the id %s", first)
	}
}

// TestDedupIsBounded: ids are forgotten with their slot.
func TestDedupIsBounded(t *testing.T) {
	t.Parallel()
	row, _ := provider.Lookup("dropbox")
	d := New(0, &row)
	for i := range 10 * maxRemembered {
		d.Name(fmt.Sprint(i), true, beforeTurn.Add(time.Duration(i)*time.Millisecond))
	}
	if n := len(d.seen); n > 3 {
		t.Errorf("%d slots are remembered", n)
	}
	for i := range 2 * maxRemembered {
		d.Name(fmt.Sprint("b", i), true, beforeTurn.Add(time.Hour))
	}
	total := 0
	for _, names := range d.seen {
		total += len(names)
	}
	if total != maxRemembered {
		t.Errorf("%d ids are remembered of one slot, want %d", total, maxRemembered)
	}
}
