package main

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
)

// cutRun is one run of a scenario whose process is killed once, after a number of writes.
type cutRun struct {
	*process
	cutter *cutter
	watch  *watcher
	cut    <-chan struct{}
	killed bool
	good   *witness // takes everything
	bad    *witness // answers as the scenario says
	ids    struct{ good, bad string }
}

// newCutRun starts a process on a nats-server of its own, with an endpoint that is well and one that answers each
// request as answer says of its number, counted from 1.
func newCutRun(t *testing.T, answer func(n int) int) *cutRun {
	t.Helper()
	address := freePort(t)
	natsServer(t, address, t.TempDir())
	c := newCutter(t, address)
	run := &cutRun{process: newProcess(t, "JETHOOK_NATS_URL=nats://"+c.address), cutter: c, watch: watch(t, address)}
	var n atomic.Int64
	run.good = newWitness(t, always(http.StatusOK))
	run.bad = newWitness(t, func(*http.Request) int { return answer(int(n.Add(1))) })
	run.process.start(t, "serve")
	add := func(url string) string {
		var made struct{ ID string }
		run.api(t, "POST", "/api/v1/endpoints", `{"name":"e","url":"`+url+`","events":["webhooks.>"],"retry_schedule":["1s"]}`, &made)
		return made.ID
	}
	run.ids.good, run.ids.bad = add(run.good.url), add(run.bad.url)
	return run
}

// until polls ok, and kills the process and starts it anew when its time has come.
func (run *cutRun) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	eventually(t, what, func() bool {
		select {
		case <-run.cut:
			if !run.killed {
				run.killed = true
				run.kill(t)
				run.cutter.mend()
				run.start(t, "serve")
			}
		default:
		}
		return ok()
	})
}

// send posts the event until it is accepted, as senders do.
func (run *cutRun) send(t *testing.T) {
	t.Helper()
	answered := make(chan int, 1)
	post := func() {
		go func() {
			status, _ := run.post(t.Context(), &http.Client{Timeout: limit}, "evt_1", secret)
			answered <- status
		}()
	}
	post()
	run.until(t, "the event is accepted", func() bool {
		select {
		case status := <-answered:
			if status/100 == 2 {
				return true
			}
			post()
		default:
		}
		return false
	})
}

// settle waits until nothing is on its way any more.
func (run *cutRun) settle(t *testing.T) {
	t.Helper()
	run.until(t, "everything has its outcome", func() bool { return run.watch.quiet(t.Context()) })
}

// only returns the one state of an endpoint's delivery.
func (run *cutRun) only(t *testing.T, endpoint string) listed {
	t.Helper()
	var states map[pair][]listed
	run.until(t, "the lists can be read", func() (ok bool) {
		var err error
		states, err = run.states(t.Context())
		return err == nil
	})
	found := states[pair{endpoint, "evt_1"}]
	if len(found) != 1 {
		t.Fatalf("want one state, got %+v\nrequests: %+v\nwrites before the kill: %q\n%s", found, run.bad.requests(), run.cutter.writes(), run.log)
	}
	return found[0]
}

// check holds the end of a scenario against what must be so wherever the kill came.
func (run *cutRun) check(t *testing.T, replays int) {
	t.Helper()
	if d := run.only(t, run.ids.good); d.Status != "delivered" {
		t.Errorf("the endpoint that is well: %+v", d)
	}
	d := run.only(t, run.ids.bad)
	if requests := run.bad.requests()["evt_1"]; d.Status == "delivered" && !took(requests) || falls(requests, nil) > replays {
		t.Errorf("%+v after the requests %+v\nwrites before the kill: %q", d, requests, run.cutter.writes())
	}
	if d.Status == "dead" && d.Attempts != 2 {
		t.Errorf("dead after %d attempts", d.Attempts)
	}
}

// eachCut runs a scenario again and again, and kills the process one write later each time, until the scenario ends
// before its kill. From the cut on nothing passes, so the kill lies exactly between two writes.
func eachCut(t *testing.T, most int, counts isCut, answer func(n int) int, scenario func(t *testing.T, run *cutRun)) {
	t.Helper()
	var complete atomic.Bool
	var cuts sync.WaitGroup // they wait most of the time: more of them than processors may run at once
	for n := 1; n <= most; n++ {
		cuts.Go(func() {
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				run := newCutRun(t, answer)
				run.cut = run.cutter.arm(n, counts)
				scenario(t, run)
				if !run.killed {
					complete.Store(true)
				} else {
					t.Logf("killed after %q", run.cutter.writes())
				}
			})
		})
	}
	cuts.Wait()
	if !complete.Load() && !t.Failed() {
		t.Errorf("the scenario has more than %d writes: kills after the others are not tested", most)
	}
}

// A delivery that fails, waits and is taken by its second attempt. What comes a third time is refused: who makes a
// delivery again although it is recorded gets it into a second state.
func TestKilledBetweenTwoWritesOfARetry(t *testing.T) {
	t.Parallel()
	answer := func(n int) int {
		if n == 2 {
			return http.StatusOK
		}
		return http.StatusInternalServerError
	}
	eachCut(t, 12, isWrite, answer, func(t *testing.T, run *cutRun) {
		run.send(t)
		run.settle(t)
		run.check(t, 0)
	})
}

// A delivery that dies, is replayed and taken.
func TestKilledBetweenTwoWritesOfAReplay(t *testing.T) {
	t.Parallel()
	answer := func(n int) int {
		if n == 3 {
			return http.StatusOK
		}
		return http.StatusInternalServerError
	}
	eachCut(t, 20, isWrite, answer, func(t *testing.T, run *cutRun) {
		run.send(t)
		run.settle(t)
		replays := 0
		if run.only(t, run.ids.bad).Status == "dead" {
			replays++
			replayed := make(chan bool, 1)
			go func() {
				run.call(t.Context(), "POST", "/api/v1/dead/replay", `{"endpoint":"`+run.ids.bad+`"}`, nil)
				replayed <- true // cut off or not: it is not asked for again
			}()
			run.until(t, "the replay is answered or cut off", func() bool { return len(replayed) > 0 })
			run.settle(t)
		}
		run.check(t, replays)
	})
}
