package publish_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"jethook/publish"
	"jethook/publish/bustest"
	"jethook/publish/delivery"
	"jethook/publish/query"
	"jethook/publish/topology"
)

// record stores lines of the history and returns when they are stored, in their order.
func record(t testing.TB, b *publish.Bus, n int, each func(i int) (delivery.HistoryKey, []byte)) {
	t.Helper()
	var stored sync.WaitGroup
	for i := range n {
		stored.Add(1)
		trait, line := each(i)
		b.Deliveries().Record(trait, line, func(err error) {
			if err != nil {
				t.Error(err)
			}
			stored.Done()
		})
	}
	stored.Wait()
}

// pages reads a selection to its end, and returns the messages and the pages.
func pages(t testing.TB, b *publish.Bus, sel query.Selection, before uint64, limit int) (all []query.Stored, n int) {
	t.Helper()
	for {
		page, next, err := b.Query().Reverse(t.Context(), sel, before, limit)
		if err != nil || len(page) > limit {
			t.Fatalf("%d messages: %v", len(page), err)
		}
		all = append(all, page...)
		if n++; next == 0 {
			return all, n
		}
		if before != 0 && next >= before {
			t.Fatalf("goes on at %d, was at %d", next, before)
		}
		before = next
	}
}

// However the messages of a selection lie in their stream, every one is on one page, in order, and the pages are full.
func TestBeforeFindsEveryMessage(t *testing.T) {
	t.Parallel()
	const n = 2000
	layouts := map[string]func(i int, draw *rand.Rand) bool{
		"all":              func(int, *rand.Rand) bool { return true },
		"none":             func(int, *rand.Rand) bool { return false },
		"even":             func(_ int, draw *rand.Rand) bool { return draw.IntN(50) == 0 },
		"one":              func(i int, _ *rand.Rand) bool { return i == 1234 },
		"first ones":       func(i int, _ *rand.Rand) bool { return i < 300 },
		"last ones":        func(i int, _ *rand.Rand) bool { return i >= n-300 },
		"heaps":            func(i int, _ *rand.Rand) bool { return i/100%7 == 0 },
		"rare, then heaps": func(i int, _ *rand.Rand) bool { return i%100 == 0 || i > 1500 && i < 1650 },
	}
	for name, has := range layouts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := bustest.Open(t, bustest.Settings(t))
			draw := rand.New(rand.NewPCG(3, 4))
			var want []string
			record(t, b, n, func(i int) (delivery.HistoryKey, []byte) {
				line := fmt.Append(nil, i)
				if has(i, draw) {
					want = append(want, string(line))
					return delivery.HistoryKey{Endpoint: "ep_1", Outcome: "dead", Class: "timeout"}, line
				}
				return delivery.HistoryKey{Endpoint: fmt.Sprint("ep_", 2+i%5), Outcome: "delivered", Class: "ok", Status: 200}, line
			})
			slices.Reverse(want)
			for _, limit := range []int{1, 7, 50, 500} {
				if limit == 1 && len(want) > 100 {
					continue
				}
				all, pages := pages(t, b, delivery.HistoryKey{Endpoint: "ep_1"}.Selection(), 0, limit)
				var got []string
				for _, m := range all {
					got = append(got, string(m.Data))
				}
				if !slices.Equal(got, want) {
					t.Fatalf("limit %d: got %d messages, want %d", limit, len(got), len(want))
				}
				if most := len(want)/limit + 1; pages > most {
					t.Errorf("limit %d: %d pages for %d messages", limit, pages, len(want))
				}
			}
		})
	}
}

// Each token of a line's subject can be asked for, alone and with others.
func TestTraits(t *testing.T) {
	t.Parallel()
	b := bustest.Open(t, bustest.Settings(t))
	lines := []delivery.HistoryKey{
		{Endpoint: "ep_1", Outcome: "delivered", Class: "ok", Status: 200},
		{Endpoint: "ep_1", Outcome: "failed", Class: "status", Status: 429},
		{Endpoint: "ep_2", Outcome: "failed", Class: "timeout"},
		{Endpoint: "ep_2", Outcome: "dead", Class: "status", Status: 429},
		{Endpoint: "ep_2", Outcome: "circuit_opened"},
	}
	record(t, b, len(lines), func(i int) (delivery.HistoryKey, []byte) { return lines[i], fmt.Append(nil, i) })
	for trait, want := range map[delivery.HistoryKey]string{
		{}:                                       "43210",
		{Endpoint: "ep_1"}:                       "10",
		{Outcome: "failed"}:                      "21",
		{Class: "status"}:                        "31",
		{Status: 429}:                            "31",
		{Class: "none"}:                          "4",
		{Endpoint: "ep_2", Status: 429}:          "3",
		{Outcome: "failed", Class: "timeout"}:    "2",
		{Endpoint: "ep_3"}:                       "",
		{Outcome: "delivered", Class: "timeout"}: "",
	} {
		var got []string
		all, _ := pages(t, b, trait.Selection(), 0, 2)
		for _, m := range all {
			got = append(got, string(m.Data))
		}
		if strings.Join(got, "") != want {
			t.Errorf("%+v: got %v, want %s", trait, got, want)
		}
	}
}

func TestBeforeWithinTimes(t *testing.T) {
	t.Parallel()
	b := bustest.Open(t, bustest.Settings(t))
	record(t, b, 600, func(i int) (delivery.HistoryKey, []byte) {
		return delivery.HistoryKey{Endpoint: fmt.Sprint("ep_", i%3), Outcome: "delivered"}, fmt.Append(nil, i)
	})
	all, _ := pages(t, b, delivery.HistoryKey{}.Selection(), 0, 500)
	for name, within := range map[string][2]time.Time{
		"since":     {all[200].Time, {}},
		"until":     {{}, all[200].Time},
		"both":      {all[500].Time, all[100].Time},
		"one":       {all[300].Time, all[299].Time},
		"empty":     {all[300].Time, all[300].Time},
		"upside":    {all[100].Time, all[500].Time},
		"all":       {all[599].Time, all[0].Time.Add(time.Hour)},
		"too late":  {all[0].Time.Add(time.Hour), {}},
		"too early": {{}, all[599].Time},
	} {
		var want []uint64
		for _, m := range all {
			if strings.HasPrefix(m.Subject, "jethook.history.ep_1.") &&
				(within[0].IsZero() || !m.Time.Before(within[0])) && (within[1].IsZero() || m.Time.Before(within[1])) {
				want = append(want, m.Seq)
			}
		}
		var got []uint64
		found, _ := pages(t, b, delivery.HistoryKey{Endpoint: "ep_1"}.Selection().Within(within[0], within[1]), 0, 17)
		for _, m := range found {
			got = append(got, m.Seq)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %d, want %d", name, len(got), len(want))
		}
	}
}

// Messages that went, and others that come while pages are read, neither hide nor repeat the rest.
func TestBeforeWhileTheStreamChanges(t *testing.T) {
	t.Parallel()
	b := bustest.Open(t, bustest.Settings(t))
	_, js := bustest.Client(t, b)
	const n = 600
	add := func(from, n int) {
		record(t, b, n, func(i int) (delivery.HistoryKey, []byte) {
			return delivery.HistoryKey{Endpoint: fmt.Sprint("ep_", (from+i)%4), Outcome: "delivered"}, fmt.Append(nil, from+i)
		})
	}
	add(0, n)
	s, err := js.Stream(t.Context(), topology.StreamHistory)
	if err != nil {
		t.Fatal(err)
	}
	gone := func(i int) bool { return i > 150 && i < 350 || i%97 == 0 }
	for i := range n {
		if gone(i) {
			if err := s.DeleteMsg(t.Context(), uint64(i+1)); err != nil {
				t.Fatal(err)
			}
		}
	}
	var got []string
	for before := uint64(0); ; {
		page, next, err := b.Query().Reverse(t.Context(), delivery.HistoryKey{Endpoint: "ep_1"}.Selection(), before, 20)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range page {
			got = append(got, string(m.Data))
		}
		if before = next; next == 0 {
			break
		}
		add(n+len(got), 50)
	}
	var want []string
	for i := n - 1; i >= 0; i-- {
		if i%4 == 1 && !gone(i) {
			want = append(want, fmt.Sprint(i))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

// A page of large lines is cut short, and the next goes on.
func TestBeforeIsBoundedInBytes(t *testing.T) {
	t.Parallel()
	b := bustest.Open(t, bustest.Settings(t))
	line := make([]byte, 20<<10)
	const n = 700 // 14 MB
	record(t, b, n, func(int) (delivery.HistoryKey, []byte) {
		return delivery.HistoryKey{Endpoint: "ep_1", Outcome: "failed"}, line
	})
	total := 0
	for before := uint64(0); ; {
		page, next, err := b.Query().Reverse(t.Context(), delivery.HistoryKey{Endpoint: "ep_1"}.Selection(), before, 500)
		if err != nil || len(page) == 0 || len(page)*len(line) > 4<<20 {
			t.Fatalf("%d messages on a page: %v", len(page), err)
		}
		total += len(page)
		if before = next; next == 0 {
			break
		}
	}
	if total != n {
		t.Errorf("got %d of %d", total, n)
	}
}

// The deliveries of an event are found by its key, whichever source it is of.
func TestOfEvents(t *testing.T) {
	t.Parallel()
	b := bustest.Open(t, bustest.Settings(t))
	if _, err := b.Publish(t.Context(), bustest.Event("evt_1")); err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		d := waiting(fmt.Sprint("evt_", i%4), time.Hour)
		d.Endpoint = fmt.Sprint("ep_", i/4)
		schedule(t, b, d)
	}
	other := waiting("evt_1", time.Hour)
	other.Event.Source, other.Event.Subject = "", "events.device.down"
	schedule(t, b, other)
	keys, err := b.EventLog().KeysOf(t.Context(), "evt_1")
	slices.Sort(keys)
	if err != nil || !slices.Equal(keys, []string{"events:evt_1", "events:evt_1.*", "polaris:evt_1", "polaris:evt_1.*"}) {
		t.Fatalf("got %v %v", keys, err)
	}
	sel := query.Waiting("")
	all, next, err := b.Query().ByKey(t.Context(), sel, keys, 0)
	if err != nil || next != 0 || len(all) != 11 || !slices.IsSortedFunc(all, func(x, y query.Stored) int { return int(y.Seq) - int(x.Seq) }) {
		t.Fatalf("got %d, next %d: %v", len(all), next, err)
	}
	for _, m := range all {
		if d, err := delivery.Of(&m); err != nil || d.Event.ID != "evt_1" {
			t.Errorf("got %+v %v", d, err)
		}
	}
	below, _, err := b.Query().ByKey(t.Context(), sel.Within(time.Time{}, all[2].Time), keys, all[1].Seq)
	if err != nil || len(below) != 8 || below[0].Seq != all[3].Seq {
		t.Errorf("got %d: %v", len(below), err)
	}
	one, _, err := b.Query().ByKey(t.Context(), query.Waiting("ep_3"), keys, 0)
	if err != nil || len(one) != 1 {
		t.Errorf("got %d: %v", len(one), err)
	}
}
