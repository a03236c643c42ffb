package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// arrivals is an endpoint that hands on what it gets.
func arrivals(t *testing.T, answer func(w http.ResponseWriter)) (url string, got <-chan []byte) {
	t.Helper()
	bodies := make(chan []byte, 16)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // what broke off is seen by its length
		bodies <- body
		if answer != nil {
			answer(w)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL, bodies
}

func (p *process) awaitArrival(t *testing.T, what string, got <-chan []byte) []byte {
	t.Helper()
	select {
	case body := <-got:
		return body
	case <-time.After(limit):
		t.Fatalf("%s never arrived; the log: %.4000s", what, p.log)
		return nil
	}
}

// Megabytes of brackets, from a sender whose signature is right and from a service, end nothing: who wants the event as it
// is gets it, a chat gets a message that tells of it, and who answers with brackets is asked again.
func TestBracketsEndNothing(t *testing.T) {
	t.Parallel()
	p := newProcess(t, "JETHOOK_RETRY_SCHEDULE=1s")
	p.start(t, "serve")
	ended := make(chan struct{})
	cmd := p.cmd
	go func() {
		defer close(ended)
		cmd.Wait() //nolint:errcheck // how it ends is in the log
	}()
	t.Cleanup(func() { cmd.Process.Kill(); <-ended })

	add := func(name, format string, answer func(w http.ResponseWriter)) <-chan []byte {
		url, got := arrivals(t, answer)
		p.api(t, "POST", "/api/v1/endpoints", `{"name":"`+name+`","format":"`+format+`","url":"`+url+`","events":["webhooks.>","events.deep"]}`, nil)
		return got
	}
	raw, slack, discord := add("raw", "raw", nil), add("slack", "slack", nil), add("discord", "discord", nil)
	busy := add("busy", "discord", func(w http.ResponseWriter) {
		w.WriteHeader(http.StatusTooManyRequests)
		io.WriteString(w, strings.Repeat(`{"retry_after":`, 1000)+strings.Repeat("[", 8<<20)) //nolint:errcheck // it hangs up early
	})

	body := bytes.Repeat([]byte("["), 8_000_000)
	check := func(from string) {
		t.Helper()
		if got := p.awaitArrival(t, from+": the event", raw); !bytes.Equal(got, body) {
			t.Errorf("%s: %d bytes arrived, want %d", from, len(got), len(body))
		}
		for field, got := range map[string]<-chan []byte{"text": slack, "content": discord} {
			var message map[string]any
			text := p.awaitArrival(t, from+": the message", got)
			if err := json.Unmarshal(text, &message); err != nil || !strings.Contains(message[field].(string), "the event has 8000000 bytes") {
				t.Errorf("%s: %v: %.200s", from, err, text)
			}
		}
		for range 2 { // it is asked again, so its answer was read
			p.awaitArrival(t, from+": an attempt", busy)
		}
	}

	if _, err := jetStream(t, p).Publish(t.Context(), "events.deep", body); err != nil {
		t.Fatal(err)
	}
	check("from a service")

	p.postSigned(t, body)
	check("from a sender")

	select {
	case <-ended:
		t.Errorf("the process ended: %.4000s", p.log)
	default:
	}
}
