package delivery_test

import (
	"testing"
	"time"

	"jethook/publish/delivery"
)

// What would come due at one moment is spread, never earlier than asked for, and what comes due at another time stays.
func TestCalendarSpreadsAMoment(t *testing.T) {
	t.Parallel()
	const slot, most, n = 250 * time.Millisecond, 10, 200
	book := delivery.NewCalendar(most)
	at := time.Now().Add(time.Hour).Truncate(slot)
	in := make(map[int64]int)
	for range n {
		got := book(at)
		if got.Before(at) || got.Sub(at) >= n/most*slot {
			t.Fatalf("asked for %s, and booked %s", at, got)
		}
		in[got.UnixNano()/int64(slot)]++
	}
	for when, taken := range in {
		if taken > most {
			t.Errorf("%d come due in the quarter of a second at %s", taken, time.Unix(0, when*int64(slot)))
		}
	}
	for _, other := range []time.Time{at.Add(-time.Millisecond), at.Add(n / most * slot)} {
		if got := book(other); !got.Equal(other) {
			t.Errorf("asked for %s beside a crowd, and booked %s", other, got)
		}
	}
	if got, want := book(at.Add(time.Second)), at.Add(n/most*slot); got.Before(want) || got.After(want.Add(slot)) {
		t.Errorf("asked for a time that the crowd took, and booked %s instead of %s", got, want)
	}
	past := time.Now().Add(-time.Minute)
	if got := book(past); !got.Equal(past) {
		t.Errorf("what is due already waits until %s", got)
	}
}
