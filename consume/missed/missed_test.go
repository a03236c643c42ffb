package missed

import (
	"errors"
	"testing"

	"jethook/consume/cursor"
)

// A mark does as long as nothing that it counts was taken, and what waits now can't be taken before the next look.
func TestIsMarked(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		mark  *cursor.Mark
		now   cursor.Mark
		first uint64
		want  bool
	}{
		"in the older half, without a mark":   {now: cursor.Mark{Place: 10, Last: 100}, first: 1},
		"in the newer half, without a mark":   {now: cursor.Mark{Place: 90, Last: 100}, first: 1, want: true},
		"marked":                              {mark: &cursor.Mark{Place: 10, Last: 100, Waiting: 9}, now: cursor.Mark{Place: 10, Last: 110}, first: 5, want: true},
		"marked, and much came":               {mark: &cursor.Mark{Place: 10, Last: 100, Waiting: 9}, now: cursor.Mark{Place: 10, Last: 1000}, first: 5},
		"marked, and moved on":                {mark: &cursor.Mark{Place: 10, Last: 100, Waiting: 9}, now: cursor.Mark{Place: 20, Last: 100}, first: 5},
		"retention took the next":             {mark: &cursor.Mark{Place: 10, Last: 100, Waiting: 9}, now: cursor.Mark{Place: 10, Last: 100}, first: 12},
		"retention took what waited for none": {mark: &cursor.Mark{Place: 10, Last: 100}, now: cursor.Mark{Place: 10, Last: 100}, first: 12, want: true},
		"other patterns":                      {mark: &cursor.Mark{Place: 10, Last: 100, Filters: 1}, now: cursor.Mark{Place: 10, Last: 100}, first: 5},
	} {
		if got := isMarked(test.mark, &test.now, test.first); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// What waits is what is the cursor's and still in the stream; each place is asked for once.
func TestWaiting(t *testing.T) {
	t.Parallel()
	asked := 0
	n := &tally{
		first: 21, last: 100, known: make(map[uint64]uint64),
		r: &cursor.Record{From: 41, Gaps: []cursor.Gap{{From: 51, Until: 61}}, Left: cursor.Places{15, 25, 35}},
		count: func(place uint64) (uint64, error) { // every place has one
			asked++
			return 101 - place, nil
		},
	}
	if got := n.waiting(22); got != 2+10+40 || n.err != nil {
		t.Errorf("%d wait (%v)", got, n.err)
	}
	before := asked
	if got := n.waiting(45); got != 6+40 || asked != before+1 {
		t.Errorf("%d wait behind 45, asked %d times more", got, asked-before)
	}
	n.known, n.count = make(map[uint64]uint64), func(uint64) (uint64, error) { return 0, errors.New("no answer") }
	if n.waiting(22); n.err == nil {
		t.Error("the fault is not told")
	}
}
