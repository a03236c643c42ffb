package publish

import (
	"slices"
	"strings"
	"testing"
)

func TestIntersection(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ a, b, both string }{
		{"events.a", "events.a", "events.a"},
		{"events.a", "events.b", ""},
		{"events.*.created", "events.order.*", "events.order.created"},
		{"events.>", "events.a.b", "events.a.b"},
		{"events.a.>", "events.*.b.>", "events.a.b.>"},
		{"events.a.>", "events.a", ""},
		{"events.*", "events.a.b", ""},
		{"events.*.>", "events.>", "events.*.>"},
	} {
		for _, swapped := range []bool{false, true} {
			a, b := test.a, test.b
			if swapped {
				a, b = b, a
			}
			if got, ok := intersection(a, b); got != test.both || ok != (test.both != "") {
				t.Errorf("%s and %s: got %q, want %q", a, b, got, test.both)
			}
		}
	}
}

// Each message counts once, whatever the patterns are.
func TestCountsOnce(t *testing.T) {
	t.Parallel()
	tokens := []string{"a", "b", "c"}
	var subjects []string
	for _, x := range tokens {
		for _, y := range tokens {
			subjects = append(subjects, "events."+x+"."+y, "events."+x+"."+y+".d")
		}
	}
	for _, patterns := range [][]string{
		{"events.>"}, {"events.a.*", "events.*.b"}, {"events.a.*", "events.*.b", "events.b.>"}, {"events.*.*.d", "events.a.>", "events.*.c.>", "events.b.c.*"},
	} {
		var want, got int64
		for _, s := range subjects {
			if MatchesAny(s, patterns) {
				want++
			}
		}
		for p, sign := range disjoint(OrderedFilters(StreamEvents, patterns)) {
			got += sign * int64(len(slices.DeleteFunc(slices.Clone(subjects), func(s string) bool { return !MatchesAny(s, []string{p}) })))
		}
		if got != want {
			t.Errorf("%s: got %d, want %d", strings.Join(patterns, " "), got, want)
		}
	}
}
