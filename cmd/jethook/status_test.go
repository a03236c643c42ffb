package main

import (
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"jethook/consume/status"
)

// awaitStatus asks p until done is true of its answer.
func (p *process) awaitStatus(t *testing.T, what string, done func(*status.Status) bool) *status.Status {
	t.Helper()
	for deadline := time.Now().Add(limit); ; {
		var s status.Status
		p.api(t, http.MethodGet, "/api/v1/status", "", &s)
		if done(&s) {
			return &s
		}
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s: %+v", what, s)
		}
		time.Sleep(50 * time.Millisecond) // another process sends no event that could be waited on
	}
}

// The status of one process has the figures of all. One that stops is not missed; one that is killed is, and what it
// did not tell is marked.
func TestStatusOfSeveralProcesses(t *testing.T) {
	t.Parallel()
	address := freePort(t)
	natsServer(t, address, t.TempDir())
	url := "JETHOOK_NATS_URL=nats://" + address
	receiver, first, second, third := newProcess(t, url), newProcess(t, url), newProcess(t, url), newProcess(t, url)
	receiver.start(t, "ingest")
	first.start(t, "consume")
	second.start(t, "consume")
	sink := newSink(t, func(int) int { return http.StatusOK })
	first.api(t, http.MethodPost, "/api/v1/endpoints", fmt.Sprintf(`{"name":"all","url":%q,"events":["webhooks.>"]}`, sink.url), nil)
	both := func(s *status.Status) bool { return len(s.Processes) == 3 && len(s.Incomplete) == 0 }
	first.awaitStatus(t, "both that deliver know of it", func(s *status.Status) bool {
		for _, p := range s.Processes {
			if p.Role == "consume" && p.Endpoints != 1 {
				return false
			}
		}
		return both(s)
	})
	const n = 40
	for i := range n {
		if code, _ := receiver.post(t.Context(), http.DefaultClient, fmt.Sprint("evt_", i), secret); code != http.StatusAccepted {
			t.Fatalf("got %d", code)
		}
	}
	receiver.post(t.Context(), http.DefaultClient, "forged", "another key")
	s := second.awaitStatus(t, "all is delivered, by whichever process", func(s *status.Status) bool {
		return both(s) && len(s.Endpoints) == 1 && s.Endpoints[0].Delivered == n && s.Endpoints[0].InFlight == 0
	})
	if len(s.Sources) != 1 || s.Sources[0].Accepted != n || s.Sources[0].Refused["bad_signature"] != 1 || s.Sources[0].LastSeen == nil {
		t.Errorf("got %+v", s.Sources)
	}

	third.start(t, "consume")
	first.awaitStatus(t, "a third one answers", func(s *status.Status) bool { return len(s.Processes) == 4 })
	third.signal(t, os.Interrupt)
	first.awaitStatus(t, "it has stopped and is not missed", both)

	second.kill(t)
	s = first.awaitStatus(t, "the one that was killed is missed", func(s *status.Status) bool { return len(s.Missing) == 1 })
	if m := s.Missing[0]; m.Role != "consume" || m.PID != second.cmd.Process.Pid || len(s.Incomplete) != 1 || len(s.Processes) != 2 {
		t.Errorf("got %+v, incomplete %q", s.Missing, s.Incomplete)
	}
	if len(s.Endpoints) != 1 || len(s.Streams) == 0 {
		t.Errorf("the rest of the status is not there: %+v", s)
	}
}
