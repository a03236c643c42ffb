package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"
)

// operator is a client of the admin API who remembers what it was told.
type operator struct {
	o *outages

	known     map[pair]string   // deliveries that were listed as waiting or dead, and their ids
	tried     map[string]bool   // events whose dead letters it wanted to remove
	gone      map[string]string // dead letters, by id, and what was answered to have been done with them
	endpoints map[string]bool   // true: made; false: removed
	spare     string            // an endpoint to be removed next
	serial    int

	mu       sync.Mutex // guards what follows
	pardoned map[string]bool
}

func newOperator(o *outages) *operator {
	return &operator{
		o: o, known: map[pair]string{}, tried: map[string]bool{}, gone: map[string]string{},
		endpoints: map[string]bool{}, pardoned: map[string]bool{},
	}
}

// hasPardoned tells whether the endpoint is to take an event that it never took before.
func (op *operator) hasPardoned(event string) bool {
	op.mu.Lock()
	defer op.mu.Unlock()
	return op.pardoned[event]
}

func (op *operator) pardon(event string) {
	op.mu.Lock()
	defer op.mu.Unlock()
	op.pardoned[event] = true
}

// work does what operators do until ctx ends.
func (op *operator) work(ctx context.Context) {
	op.spare = "" // one that is made just before a cut stays
	for ctx.Err() == nil {
		op.changeEndpoints(ctx)
		op.look(ctx)
	}
}

// changeEndpoints makes an endpoint, and removes the one before it.
func (op *operator) changeEndpoints(ctx context.Context) {
	if id := op.spare; id != "" {
		delete(op.endpoints, id) // until there is an answer nobody knows
		status, _ := op.o.p.call(ctx, "DELETE", "/api/v1/endpoints/"+id, "", nil)
		op.o.told(status, func() { op.endpoints[id] = false })
	}
	op.serial++
	op.spare = ""
	var made struct{ ID string }
	status, _ := op.o.p.call(ctx, "POST", "/api/v1/endpoints",
		fmt.Sprintf(`{"name":"made_%d","url":%q,"events":["events.none"]}`, op.serial, op.o.steady.url), &made)
	op.o.told(status, func() { op.endpoints[made.ID], op.spare = true, made.ID })
}

// look lists what waits and what is dead, and removes some of the dead letters, replays others and leaves the rest.
func (op *operator) look(ctx context.Context) {
	states, err := op.list(ctx)
	if err != nil {
		return
	}
	op.o.told(http.StatusOK, func() {
		for k, found := range states {
			if d := found[0]; d.Attempts > 0 && !op.tried[k.event] && !op.hasPardoned(k.event) {
				op.known[k] = d.ID
			}
		}
	})
	for k, found := range states {
		d := found[0]
		if len(found) != 1 || d.Status != "dead" || op.gone[d.ID] != "" {
			continue
		}
		switch number(k.event) / 100 % 3 {
		case 1:
			delete(op.known, k)
			op.tried[k.event] = true
			status, _ := op.o.p.call(ctx, "DELETE", "/api/v1/dead/"+d.ID, "", nil)
			op.o.told(status, func() { op.gone[d.ID] = "removed" })
		case 2:
			delete(op.known, k)
			op.pardon(k.event)
			var done struct{ Replayed int }
			status, _ := op.o.p.call(ctx, "POST", "/api/v1/dead/replay", `{"ids":["`+d.ID+`"]}`, &done)
			op.o.told(status, func() {
				if done.Replayed == 1 {
					op.gone[d.ID] = "replayed"
				}
			})
		}
	}
}

// list returns what waits and what is dead. What dies meanwhile may be in both states.
func (op *operator) list(ctx context.Context) (map[pair][]listed, error) {
	out := map[pair][]listed{}
	for _, status := range []string{"waiting", "dead"} {
		all, err := op.o.p.walk(ctx, status)
		if err != nil {
			return nil, err
		}
		for _, d := range all {
			k := pair{d.Endpoint, d.Event}
			out[k] = append(out[k], d)
		}
	}
	return out, nil
}

// check holds that all that the operator was told is still so.
func (op *operator) check() {
	t := op.o.t
	t.Helper()
	states, err := op.list(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for k, id := range op.known {
		if len(states[k]) == 0 {
			t.Errorf("%s was listed and is neither waiting nor dead", id)
		}
	}
	for _, found := range states {
		for _, d := range found {
			if what := op.gone[d.ID]; what == "removed" || what == "replayed" && d.Status == "dead" {
				t.Errorf("%s was %s and is %s, after the requests %+v", d.ID, what, d.Status, op.o.never.requests()[d.Event])
			}
		}
	}
	var page struct {
		Items []struct{ ID string } `json:"items"`
		Next  string                `json:"next_cursor"`
	}
	op.o.p.api(t, "GET", "/api/v1/endpoints?limit=500", "", &page)
	if page.Next != "" {
		t.Fatal("there are more endpoints than one page holds")
	}
	there := map[string]bool{}
	for _, e := range page.Items {
		there[e.ID] = true
	}
	for id, made := range op.endpoints {
		if there[id] != made {
			t.Errorf("endpoint %s is there: %t; the operator was told %t", id, there[id], made)
		}
	}
}
