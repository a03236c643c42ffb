package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"
)

// repeat makes a request with an Idempotency-Key until it is answered, as a client does whose connection broke.
func (p *process) repeat(ctx context.Context, key, path, body string) (status int, answer string) {
	for ctx.Err() == nil {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+p.admin+path, strings.NewReader(body))
		if err != nil {
			return 0, err.Error()
		}
		req.Header.Set("Authorization", "Bearer token-for-tests-only")
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", key)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			time.Sleep(time.Millisecond) // it is down: do not spin
			continue
		}
		content, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err == nil && res.StatusCode < http.StatusInternalServerError {
			return res.StatusCode, string(content)
		}
	}
	return 0, "never answered"
}

// A process that is killed while requests are under way has made what they ask for once, when they are made again:
// one endpoint with its secret, one new secret, one event.
func TestKilledWhileRequestsAreRepeated(t *testing.T) {
	t.Parallel()
	p := newProcess(t, "JETHOOK_ENCRYPTION_KEY=a-key-of-the-tests-0123456789abcd")
	p.start(t, "serve")
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	for round := range 10 {
		name := fmt.Sprint("round-", round)
		type result struct {
			status int
			answer string
		}
		run := func() (made, sent result) {
			made.status, made.answer = p.repeat(ctx, name, "/api/v1/endpoints", `{"name":"`+name+`","url":"https://example.com","events":["events.none"]}`)
			var e struct{ ID string }
			json.Unmarshal([]byte(made.answer), &e)
			p.repeat(ctx, name, "/api/v1/endpoints/"+e.ID+"/rotate", "")
			sent.status, sent.answer = p.repeat(ctx, name, "/api/v1/events", `{"type":"`+name+`","data":1}`)
			return made, sent
		}
		var made, sent result
		done := make(chan struct{})
		go func() { defer close(done); made, sent = run() }()
		select {
		case <-done:
		case <-time.After(time.Duration(rand.IntN(12_000)) * time.Microsecond): // the random moment
		}
		p.kill(t)
		p.start(t, "serve")
		<-done
		if made.status != http.StatusCreated || sent.status != http.StatusAccepted {
			t.Fatalf("%+v, %+v", made, sent)
		}
		if madeAgain, sentAgain := run(); sentAgain != sent || madeAgain.status != made.status {
			t.Errorf("again: %+v, %+v; before: %+v, %+v", madeAgain, sentAgain, made, sent)
		}
	}

	var list struct {
		Items []struct{ ID, Name string }
	}
	p.api(t, "GET", "/api/v1/endpoints", "", &list)
	names := map[string]int{}
	for _, e := range list.Items {
		names[e.Name]++
		var secrets struct{ Items []struct{ Secret string } }
		if p.api(t, "GET", "/api/v1/endpoints/"+e.ID+"/secret", "", &secrets); len(secrets.Items) != 2 {
			t.Errorf("%s has %d secrets, want the first and the rotated one", e.Name, len(secrets.Items))
		}
	}
	for name, n := range names {
		if n != 1 {
			t.Errorf("%s: %d endpoints", name, n)
		}
	}
	if len(names) != 10 {
		t.Errorf("%d endpoints", len(names))
	}
	stream, err := jetStream(t, p).Stream(t.Context(), "EVENTS")
	if err != nil {
		t.Fatal(err)
	}
	if n := stream.CachedInfo().State.Msgs; n != 10 {
		t.Errorf("%d events are stored", n)
	}
}
