package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/publish/topology"
)

// An endpoint leaves the shared intake because of its rate limit, catches up by its cursor, and joins again. Its process is
// killed after each write that this takes in turn: each event is delivered, and none has two outcomes.
func TestKilledWhileAnEndpointLeavesAndJoins(t *testing.T) {
	t.Parallel()
	const n = 40
	eachCut(t, 11, isStep, always2xx, func(t *testing.T, run *cutRun) {
		limited := newWitness(t, always(http.StatusOK))
		var made struct{ ID string }
		run.api(t, "POST", "/api/v1/endpoints", `{"name":"limited","url":"`+limited.url+`","events":["events.>"],"rate_limit":"10/s"}`, &made)
		var publishers sync.WaitGroup // one after the other, they would come no faster than they may go on a busy machine
		for i := range n {
			publishers.Go(func() {
				if err := run.watch.publish(t.Context(), "events.a", fmt.Sprint("evt_", i)); err != nil {
					t.Error(err)
				}
			})
		}
		publishers.Wait()
		run.until(t, "each event has come", func() bool { return len(limited.requests()) == n })
		run.until(t, "it has joined again", func() bool { return run.watch.cursors(t) == 0 })
		run.settle(t)
		states, err := run.states(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			id := fmt.Sprint("evt_", i)
			if found := states[pair{made.ID, id}]; len(found) != 1 || found[0].Status != "delivered" {
				t.Errorf("%s: %+v", id, found)
			}
			if again := len(limited.requests()[id]) - 1; again > 0 && !run.killed {
				t.Errorf("%s came %d times more", id, again)
			}
		}
		if writes := run.cutter.writes(); !run.killed && len(writes) < 6 {
			t.Errorf("it has not left and joined: %q", writes)
		}
	})
}

func always2xx(int) int { return http.StatusOK }

// isStep reports whether a publish is a step of an endpoint that leaves or joins: a change of its record, or of its consumer.
func isStep(subject string, _ []byte) bool {
	for _, prefix := range []string{"$KV." + topology.BucketCursors + ".", "$JS.API.CONSUMER.CREATE.EVENTS.ep_", "$JS.API.CONSUMER.DELETE.EVENTS.ep_"} {
		if strings.HasPrefix(subject, prefix) {
			return true
		}
	}
	return false
}

// cursors counts the endpoints that have left the shared intake; -1: nobody can say.
func (w *watcher) cursors(t *testing.T) int {
	kv, err := w.js.KeyValue(t.Context(), topology.BucketCursors)
	if err != nil {
		return -1
	}
	keys, err := kv.Keys(t.Context())
	if err != nil && !errors.Is(err, jetstream.ErrNoKeysFound) {
		return -1
	}
	return len(keys)
}
