package publish_test

import (
	"slices"
	"testing"

	"jethook/publish/topology"
)

func TestOrderedFilters(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ patterns, want []string }{
		{nil, nil},
		{[]string{"webhooks.>"}, nil},
		{[]string{"events.a", "events.a"}, []string{"events.a"}},
		{[]string{"events.b", "jethook.ops.>", "events.a"}, []string{"events.a", "events.b"}},
		{[]string{"events.a.b", "events.a.*", "events.>"}, []string{"events.>"}},
		{[]string{"events.*", "events.a", "events.a.>"}, []string{"events.*", "events.a.>"}},
		{[]string{"events.*.b", "events.a.*"}, []string{"events.*.b", "events.a.*"}},
	} {
		if got := topology.Filters(topology.StreamEvents, c.patterns); !slices.Equal(got, c.want) {
			t.Errorf("%q: got %q, want %q", c.patterns, got, c.want)
		}
	}
}
