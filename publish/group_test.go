package publish_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/config"
	"jethook/publish"
	"jethook/publish/bustest"
	"jethook/publish/event"
	"jethook/publish/failure"
	"jethook/publish/topology"
)

func group(ids ...string) (events []*event.Event) {
	for _, id := range ids {
		events = append(events, bustest.Event(id))
	}
	return events
}

func stored(t *testing.T, js jetstream.JetStream) jetstream.StreamState {
	t.Helper()
	s, err := js.Stream(t.Context(), topology.StreamWebhooks)
	if err != nil {
		t.Fatal(err)
	}
	info, err := s.Info(t.Context(), jetstream.WithSubjectFilter("webhooks.>"))
	if err != nil {
		t.Fatal(err)
	}
	return info.State
}

func TestGroupIsStoredWithOrWithoutOthers(t *testing.T) {
	t.Parallel()
	eachSync(t, func(t *testing.T, cfg *config.Config) { testGroups(t, bustest.Open(t, cfg)) })
}

func testGroups(t *testing.T, b *publish.Bus) {
	_, js := bustest.Client(t, b)
	var done sync.WaitGroup
	for i := range 50 { // single ones before, between and after
		done.Go(func() {
			if _, err := b.Publish(t.Context(), bustest.Event(fmt.Sprintf("single-%d", i))); err != nil {
				t.Error(err)
			}
		})
		if i%10 == 0 {
			done.Go(func() {
				ids := make([]string, 30)
				for k := range ids {
					ids[k] = fmt.Sprintf("group-%d-%d", i, k)
				}
				if err := b.PublishAll(t.Context(), group(ids...)); err != nil {
					t.Error(err)
				}
			})
		}
	}
	done.Wait()
	if got := stored(t, js).Msgs; got != 50+5*30 {
		t.Fatalf("%d events stored, want 200", got)
	}

	for what, c := range map[string]struct {
		ids []string
		add uint64
	}{
		"again":               {[]string{"group-0-0", "group-0-1"}, 0},
		"again with a new id": {[]string{"group-0-0", "new-1", "group-0-1"}, 1},
		"the same id twice":   {[]string{"new-2", "new-2", "new-3"}, 2},
		"only one":            {[]string{"new-4"}, 1},
		"none":                {nil, 0},
	} {
		before := stored(t, js).Msgs
		if err := b.PublishAll(t.Context(), group(c.ids...)); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if got := stored(t, js).Msgs - before; got != c.add {
			t.Errorf("%s: %d stored, want %d", what, got, c.add)
		}
	}
	ids := make([]string, 2300) // three batches
	for i := range ids {
		ids[i] = fmt.Sprintf("many-%d", i)
	}
	before := stored(t, js).Msgs
	if err := b.PublishAll(t.Context(), group(ids...)); err != nil {
		t.Fatal(err)
	}
	if got := stored(t, js).Msgs - before; got != 2300 {
		t.Errorf("%d of many stored, want 2300", got)
	}
}

// One event that the store does not take keeps all of its request out.
func TestGroupIsAllOrNothing(t *testing.T) {
	t.Parallel()
	b := bustest.Open(t, bustest.Settings(t))
	_, js := bustest.Client(t, b)
	events := group("a", "b", "c")
	events[1].Body = make([]byte, b.Limits().Body+64<<10)
	err := b.PublishAll(t.Context(), events)
	if err == nil || errors.Is(err, failure.ErrUnavailable) {
		t.Fatalf("got %v, want a refusal", err)
	}
	if got := stored(t, js).Msgs; got != 0 {
		t.Fatalf("%d events stored, want none", got)
	}
	if err := b.PublishAll(t.Context(), group("a", "b", "c")); err != nil {
		t.Fatal(err)
	}
	if got := stored(t, js).Msgs; got != 3 {
		t.Fatalf("%d events stored, want 3", got)
	}
}
