package publish_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"jethook/config"
	"jethook/config/quantity"
	"jethook/publish"
	"jethook/publish/bustest"
	"jethook/publish/delivery"
	"jethook/publish/event"
	"jethook/publish/failure"
	"jethook/publish/query"
	"jethook/publish/topology"
)

func TestPublishIsStoredAsDocumented(t *testing.T) {
	t.Parallel()
	b := bustest.Open(t, bustest.Settings(t))
	_, js := bustest.Client(t, b)
	e := bustest.Event("evt_1")
	e.Traceparent = event.NewTraceparent()
	r, err := b.Publish(t.Context(), e)
	if err != nil || r.Duplicate || r.Stream != "WEBHOOKS" || r.Seq != 1 {
		t.Fatalf("got %+v, %v", r, err)
	}
	s, err := js.Stream(t.Context(), "WEBHOOKS")
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.GetMsg(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"Nats-Msg-Id": "polaris:evt_1", "Jethook-Id": "evt_1", "Jethook-Type": "device.down",
		"Jethook-Source": "polaris", "Content-Type": "application/json", "X-Kept": "yes", "traceparent": e.Traceparent,
	}
	for name, v := range want {
		if got := m.Header.Get(name); got != v {
			t.Errorf("%s: got %q, want %q", name, got, v)
		}
	}
	if at, err := time.Parse(time.RFC3339, m.Header.Get("Jethook-Received")); err != nil || time.Since(at) > time.Minute {
		t.Errorf("Jethook-Received: %v %v", at, err)
	}
	if string(m.Data) != string(e.Body) {
		t.Errorf("body changed: %s", m.Data)
	}
}

func TestPublishDropsHeadersThatSteer(t *testing.T) {
	t.Parallel()
	b := bustest.Open(t, bustest.Settings(t))
	_, js := bustest.Client(t, b)
	for i := range 2 {
		e := bustest.Event(fmt.Sprint("evt_", i))
		e.Header = nats.Header{
			"Nats-Rollup": {"all"}, "nats-msg-id": {"x"}, "Nats-Expected-Stream": {"OTHER"},
			"Jethook-Id": {"forged"}, "Jethook-Attempt": {"9"},
		}
		if _, err := b.Publish(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	s, err := js.Stream(t.Context(), "WEBHOOKS")
	if err != nil {
		t.Fatal(err)
	}
	if n := s.CachedInfo().State.Msgs; n != 2 {
		t.Fatalf("%d messages are left of 2", n)
	}
	m, err := s.GetMsg(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	if m.Header.Get("Jethook-Id") != "evt_1" || m.Header.Get("Jethook-Attempt") != "" || m.Header.Get("Nats-Rollup") != "" {
		t.Errorf("forged headers were stored: %v", m.Header)
	}
}

// Many publish at once, each id three times over: each is stored once, and each publisher is told which.
func TestGroupCommitResolvesDuplicates(t *testing.T) {
	t.Parallel()
	eachSync(t, func(t *testing.T, cfg *config.Config) { testDuplicates(t, bustest.Open(t, cfg)) })
}

// eachSync runs a test with what waits stored as one atomic batch, which is the default, and message by message.
func eachSync(t *testing.T, test func(t *testing.T, cfg *config.Config)) {
	t.Helper()
	for name, sync := range map[string]quantity.Sync{"always": 0, "2m": quantity.Sync(2 * time.Minute)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := bustest.Settings(t)
			cfg.Sync = sync
			test(t, cfg)
		})
	}
}

func testDuplicates(t *testing.T, b *publish.Bus) {
	_, js := bustest.Client(t, b)
	const ids, copies = 300, 3
	var mu sync.Mutex
	stored, seqs := map[string]int{}, map[uint64]string{}
	var wg sync.WaitGroup
	for i := range ids * copies {
		wg.Go(func() {
			id := fmt.Sprint("evt_", i%ids)
			r, err := b.Publish(t.Context(), bustest.Event(id))
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if !r.Duplicate {
				stored[id]++
				seqs[r.Seq] = id
			}
		})
	}
	wg.Wait()
	s, err := js.Stream(t.Context(), "WEBHOOKS")
	if err != nil {
		t.Fatal(err)
	}
	if n := s.CachedInfo().State.Msgs; n != ids {
		t.Fatalf("%d messages stored, want %d", n, ids)
	}
	for id, n := range stored {
		if n != 1 {
			t.Errorf("%s: %d publishers were told that theirs was the first", id, n)
		}
	}
	for seq, id := range seqs {
		m, err := s.GetMsg(t.Context(), seq)
		if err != nil || m.Header.Get("Jethook-Id") != id {
			t.Fatalf("receipt of %s names message %d, which is %q (%v)", id, seq, m.Header.Get("Jethook-Id"), err)
		}
	}
}

func TestFullStoreIsToldApart(t *testing.T) {
	t.Parallel()
	eachSync(t, testFullStore)
}

func testFullStore(t *testing.T, cfg *config.Config) {
	// An operator's own stream, with a tiny limit.
	first, err := publish.Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	_, js := bustest.Client(t, first)
	s, err := js.Stream(t.Context(), "WEBHOOKS")
	if err != nil {
		t.Fatal(err)
	}
	c := s.CachedInfo().Config
	c.MaxBytes = 8 << 10
	if _, err := js.UpdateStream(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	first.Close()

	b := bustest.Open(t, cfg)
	_, js = bustest.Client(t, b)
	if err := b.Ready(t.Context()); err != nil {
		t.Fatalf("not ready while there is room: %v", err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	ok, full := 0, 0
	for i := range 200 {
		wg.Go(func() {
			_, err := b.Publish(t.Context(), bustest.Event(fmt.Sprint("evt_", i)))
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				ok++
			case errors.Is(err, failure.ErrFull):
				full++
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if s, err = js.Stream(t.Context(), "WEBHOOKS"); err != nil {
		t.Fatal(err)
	}
	if stored := int(s.CachedInfo().State.Msgs); ok == 0 || full == 0 || stored != ok {
		t.Fatalf("%d told stored, %d told full, %d are stored", ok, full, stored)
	}
	if err := b.Ready(t.Context()); err == nil {
		t.Error("ready although the store is full")
	}
	if err := s.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Publish(t.Context(), bustest.Event("after")); err != nil {
		t.Errorf("room again, but: %v", err)
	}
	if err := b.Ready(t.Context()); err != nil {
		t.Errorf("room again, but not ready: %v", err)
	}
}

func TestSecondProcessOnTheSameStoreIsRefused(t *testing.T) {
	t.Parallel()
	cfg := bustest.Settings(t)
	bustest.Open(t, cfg)
	if b, err := publish.Open(t.Context(), cfg, slog.New(slog.DiscardHandler)); err == nil {
		b.Close()
		t.Fatal("two servers run on one store")
	}
}

// next fetches one delivery that came due.
func next(t *testing.T, b *publish.Bus) (delivery.Delivery, jetstream.Msg) {
	t.Helper()
	c, err := b.Queues().Open(t.Context(), topology.QueueDue)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	m, err := c.Next(jetstream.FetchContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	d, err := delivery.Decode(m)
	if err != nil {
		t.Fatal(err)
	}
	return d, m
}

func schedule(t *testing.T, b *publish.Bus, d *delivery.Delivery) {
	t.Helper()
	done := make(chan error, 1)
	b.Deliveries().Schedule(d, func(err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func waiting(id string, in time.Duration) *delivery.Delivery {
	return &delivery.Delivery{
		Endpoint: "ep_1", Event: *bustest.Event(id), Attempt: 3, Due: time.Now().Add(in), Why: delivery.WhyRetry, Reason: "status 500",
	}
}

func TestScheduleFiresOnceAndNeverEarly(t *testing.T) {
	t.Parallel()
	b := bustest.Open(t, bustest.Settings(t))
	const n = 20
	for i := range n {
		d := waiting(fmt.Sprint("evt_", i), time.Duration(i)*77*time.Millisecond)
		schedule(t, b, d)
		schedule(t, b, d) // a second schedule replaces the first
	}
	seen := map[string]bool{}
	for range n {
		d, m := next(t, b)
		if early := time.Until(d.Due); early > 0 {
			t.Errorf("%s came %s early", d.ID(), early)
		}
		if seen[d.ID()] {
			t.Errorf("%s came twice", d.ID())
		}
		seen[d.ID()] = true
		if d.Attempt != 3 || d.Reason != "status 500" || d.Event.ID == "" || d.Event.Subject != "webhooks.polaris.device.down" {
			t.Errorf("came back changed: %+v", d)
		}
		if err := m.DoubleAck(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if left, _, err := b.Query().Reverse(t.Context(), query.Waiting(""), 0, 10); err != nil || len(left) != 0 {
		t.Errorf("%d schedules are left (%v)", len(left), err)
	}
}

func TestRetryNowReplacesTheSchedule(t *testing.T) {
	t.Parallel()
	b := bustest.Open(t, bustest.Settings(t))
	d := waiting("evt_1", time.Hour)
	schedule(t, b, d)
	found, err := b.Find().Waiting(t.Context(), d.ID())
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Deliveries().RetryNow(t.Context(), &found); err != nil {
		t.Fatal(err)
	}
	if err := b.Deliveries().RetryNow(t.Context(), &found); !errors.Is(err, failure.ErrConflict) {
		t.Errorf("pressed twice: got %v, want %v", err, failure.ErrConflict)
	}
	if got, _ := next(t, b); got.ID() != d.ID() || got.Attempt != 3 {
		t.Errorf("got %+v", got)
	}
	if _, err := b.Find().Waiting(t.Context(), d.ID()); !errors.Is(err, failure.ErrNotFound) {
		t.Errorf("its schedule is still there: %v", err)
	}
	if due, _, err := b.Query().Reverse(t.Context(), query.Due("ep_1"), 0, 10); err != nil || len(due) != 1 {
		t.Errorf("%d are due, want 1 (%v)", len(due), err)
	}
}

func TestReplayTwiceDeliversOnce(t *testing.T) {
	t.Parallel()
	b := bustest.Open(t, bustest.Settings(t))
	d := waiting("evt_1", 0)
	done := make(chan error, 1)
	for range 2 {
		b.Deliveries().DeadLetter(d, func(err error) { done <- err })
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	dead, _, err := b.Query().Reverse(t.Context(), query.Dead(""), 0, 10)
	if err != nil || len(dead) != 1 {
		t.Fatalf("%d dead letters, want 1 (%v)", len(dead), err)
	}
	found, err := b.Find().Dead(t.Context(), d.ID())
	if err != nil || string(found.Event.Body) != string(d.Event.Body) || found.Reason != d.Reason {
		t.Fatalf("got %+v, %v", found, err)
	}
	for range 2 { // as if the process was killed between its two writes
		if err := b.Deliveries().Replay(t.Context(), &found); err != nil {
			t.Fatal(err)
		}
	}
	if due, _, err := b.Query().Reverse(t.Context(), query.Due("ep_1"), 0, 10); err != nil || len(due) != 1 {
		t.Errorf("%d are due, want 1 (%v)", len(due), err)
	}
	if _, err := b.Find().Dead(t.Context(), d.ID()); !errors.Is(err, failure.ErrNotFound) {
		t.Errorf("still dead: %v", err)
	}
}

func TestBeforePagesThroughEverything(t *testing.T) {
	t.Parallel()
	b := bustest.Open(t, bustest.Settings(t))
	const n = 1500
	var wg sync.WaitGroup
	for i := range n {
		wg.Add(1)
		b.Deliveries().Record(delivery.HistoryKey{Endpoint: fmt.Sprint("ep_", i%3), Outcome: "delivered"}, fmt.Append(nil, i), func(err error) {
			if err != nil {
				t.Error(err)
			}
			wg.Done()
		})
	}
	wg.Wait()
	var got []string
	for before := uint64(0); ; {
		page, next, err := b.Query().Reverse(t.Context(), delivery.HistoryKey{Endpoint: "ep_1"}.Selection(), before, 37)
		if err != nil || len(page) > 37 {
			t.Fatalf("%d %v", len(page), err)
		}
		for _, m := range page {
			got = append(got, string(m.Data))
		}
		if next == 0 {
			break
		}
		before = next
	}
	if len(got) != n/3 {
		t.Fatalf("listed %d of %d", len(got), n/3)
	}
	for i, line := range got {
		if want := fmt.Sprint(n - 2 - 3*i); line != want {
			t.Fatalf("line %d is %s, want %s", i, line, want)
		}
	}
}
