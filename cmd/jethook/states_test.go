package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"jethook/publish/topology"
)

// pair is one event on its way to one endpoint.
type pair struct{ endpoint, event string }

func (p pair) String() string { return p.endpoint + "/" + p.event }

// listed is a delivery as the API lists it.
type listed struct {
	ID       string    `json:"id"`
	Endpoint string    `json:"endpoint"`
	Event    string    `json:"event_id"`
	Status   string    `json:"status"`
	Attempts int       `json:"attempts"`
	Waits    string    `json:"waits_for"`
	Reason   string    `json:"reason"`
	At       time.Time `json:"at"`
}

var statuses = []string{"delivered", "waiting", "dead"}

// call is api for a process that may be killed meanwhile: then it returns an error, and nobody knows what was done.
func (p *process) call(ctx context.Context, method, path, body string, into any) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+p.admin+path, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer token-for-tests-only")
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err
	}
	if into != nil && res.StatusCode/100 == 2 {
		if err := json.Unmarshal(data, into); err != nil {
			return 0, err
		}
	}
	return res.StatusCode, nil
}

// walk lists all deliveries with a status, page by page.
func (p *process) walk(ctx context.Context, status string) (all []listed, err error) {
	for cursor := ""; ; {
		var page struct {
			Items []listed `json:"items"`
			Next  string   `json:"next_cursor"`
		}
		code, err := p.call(ctx, "GET", "/api/v1/deliveries?limit=100&status="+status+"&cursor="+url.QueryEscape(cursor), "", &page)
		if err != nil {
			return nil, err
		}
		if code != http.StatusOK {
			return nil, fmt.Errorf("listing what is %s: status %d", status, code)
		}
		all = append(all, page.Items...)
		if cursor = page.Next; cursor == "" {
			return all, nil
		}
	}
}

// states are the states in which the lists show each pair. A delivery that is made again after a kill has two lines
// in the history, which are one state.
func (p *process) states(ctx context.Context) (map[pair][]listed, error) {
	out := map[pair][]listed{}
	for _, status := range statuses {
		all, err := p.walk(ctx, status)
		if err != nil {
			return nil, err
		}
		for _, d := range all {
			k := pair{d.Endpoint, d.Event}
			same := func(other listed) bool { return other.Status == d.Status }
			if status == "delivered" && slices.ContainsFunc(out[k], same) {
				continue
			}
			out[k] = append(out[k], d)
		}
	}
	return out, nil
}

// watcher looks at the streams themselves, whatever becomes of the process.
type watcher struct{ js jetstream.JetStream }

func watch(t *testing.T, address string) *watcher {
	t.Helper()
	_, js := steadyClient(t, "nats://"+address, nats.Token(natsAdminToken))
	return &watcher{js}
}

// matched reports whether every stored event has been handed on and has an outcome for each of its endpoints, the
// ordered ones aside.
func (w *watcher) matched(ctx context.Context) bool {
	for _, name := range []string{"EVENTS", "WEBHOOKS"} {
		s, err := w.js.Stream(ctx, name)
		if err != nil {
			return false
		}
		c, err := s.Consumer(ctx, "jethook")
		if err != nil || !done(c.CachedInfo(), s.CachedInfo()) {
			return false
		}
	}
	return true
}

// done reports whether a consumer has nothing left. It learns of a message a moment after the publisher does, so its
// own count of what is pending does not say all.
func done(c *jetstream.ConsumerInfo, s *jetstream.StreamInfo) bool {
	all := len(c.Config.FilterSubjects) > 0 || c.AckFloor.Stream >= s.State.LastSeq || s.State.Msgs == 0
	return c.NumPending == 0 && c.NumAckPending == 0 && all
}

// quiet reports whether every delivery has come to its end: each is delivered or dead, and that is recorded.
func (w *watcher) quiet(ctx context.Context) bool {
	if !w.matched(ctx) {
		return false
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // a list that isn't read to its end goes on waiting
	for _, name := range []string{"EVENTS", "WEBHOOKS"} {
		s, err := w.js.Stream(ctx, name)
		if err != nil {
			return false
		}
		consumers := s.ListConsumers(ctx)
		for c := range consumers.Info() {
			if !done(c, s.CachedInfo()) {
				return false
			}
		}
		if consumers.Err() != nil {
			return false
		}
	}
	s, err := w.js.Stream(ctx, "DELIVERIES")
	return err == nil && s.CachedInfo().State.Msgs == 0
}

// left describes what the consumers have not done yet.
func (w *watcher) left(ctx context.Context) (text string) {
	for _, name := range []string{"EVENTS", "WEBHOOKS", "DELIVERIES"} {
		s, err := w.js.Stream(ctx, name)
		if err != nil {
			return text + err.Error()
		}
		consumers := s.ListConsumers(ctx)
		for c := range consumers.Info() {
			text += fmt.Sprintf("%s %s: pending %d, held %d, floor %d of %d (%d messages)\n", name, c.Name, c.NumPending,
				c.NumAckPending, c.AckFloor.Stream, s.CachedInfo().State.LastSeq, s.CachedInfo().State.Msgs)
		}
	}
	return text
}

// graves describes the dead letters that there are, and those that are noted to be removed for good.
func (w *watcher) graves(ctx context.Context) string {
	all := func(*jetstream.RawStreamMsg) bool { return true }
	return w.messages(ctx, "DEAD", all) + w.messages(ctx, "KV_"+topology.BucketRemoved, all)
}

// messages describes messages of a stream.
func (w *watcher) messages(ctx context.Context, stream string, wanted func(*jetstream.RawStreamMsg) bool) (text string) {
	s, err := w.js.Stream(ctx, stream)
	if err != nil {
		return err.Error()
	}
	state := s.CachedInfo().State
	text = fmt.Sprintf("%s: %+v\n", stream, state)
	for seq := state.FirstSeq; seq <= state.LastSeq; seq++ {
		if m, err := s.GetMsg(ctx, seq); err == nil && wanted(m) {
			text += fmt.Sprintf("%d %s at %d: %v %s\n", seq, m.Subject, m.Time.UnixNano(), m.Header, m.Data)
		}
	}
	return text
}

// publish stores an event as a service does over NATS.
func (w *watcher) publish(ctx context.Context, subject, id string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second) // the server may be gone
	defer cancel()
	_, err := w.js.PublishMsg(ctx, &nats.Msg{Subject: subject, Header: nats.Header{"Nats-Msg-Id": {id}}, Data: []byte("{}")})
	return err
}

// mayLag reports whether what lies in the stream of a subject may be an endpoint's cursor's.
func (w *watcher) mayLag(ctx context.Context, endpoint, subject string) bool {
	stream := "EVENTS"
	if strings.HasPrefix(subject, "webhooks.") {
		stream = "WEBHOOKS"
	}
	kv, err := w.js.KeyValue(ctx, topology.BucketCursors)
	if err != nil {
		return true
	}
	entry, err := kv.Get(ctx, endpoint+"."+stream)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return false
	}
	return err != nil || !strings.Contains(string(entry.Value()), `"joined"`)
}

// stored returns the ids of the events in a stream.
func (w *watcher) stored(ctx context.Context, t *testing.T, name string) map[string]bool {
	t.Helper()
	s, err := w.js.Stream(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for seq := max(s.CachedInfo().State.FirstSeq, 1); seq <= s.CachedInfo().State.LastSeq; seq++ {
		m, err := s.GetMsg(ctx, seq)
		if err != nil {
			t.Fatalf("%s %d: %v", name, seq, err)
		}
		id := m.Header.Get("Jethook-Id")
		if id == "" {
			id = m.Header.Get("Nats-Msg-Id")
		}
		ids[id] = true
	}
	return ids
}

// eventually polls what another process does; it sends no event that could be waited on.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * limit); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// request is one delivery as a witness saw it.
type request struct {
	attempt  int
	status   int // what it was answered; 0: nothing
	at       time.Time
	verified bool
}

// secretSpan is a secret with the time until which signatures with it are valid; zero: for ever.
type secretSpan struct {
	key   []byte
	until time.Time
}

// witness is an endpoint's receiver in the test's own process, which remembers everything.
type witness struct {
	url string

	mu      sync.Mutex // guards what follows
	answer  func(r *http.Request) int
	secrets []secretSpan // none: signatures are not checked
	seen    map[string][]request
}

// Answers beside HTTP statuses.
const (
	hangUp   = -1 // the connection is closed without an answer
	hesitate = -2 // 200, after a moment
)

func newWitness(t *testing.T, answer func(r *http.Request) int) *witness {
	t.Helper()
	w := &witness{answer: answer, seen: map[string][]request{}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: w}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	w.url = "http://" + l.Addr().String()
	return w
}

func (w *witness) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	w.mu.Lock()
	answer := w.answer(r)
	got := request{at: time.Now(), status: max(0, answer), verified: len(w.secrets) == 0}
	if answer == hesitate {
		got.status = http.StatusOK
	}
	got.attempt, _ = strconv.Atoi(r.Header.Get("Jethook-Attempt"))
	for _, s := range w.secrets {
		got.verified = got.verified || s.verifies(r, body)
	}
	id := r.Header.Get("webhook-id")
	w.seen[id] = append(w.seen[id], got)
	w.mu.Unlock()
	switch answer {
	case hangUp:
		if conn, _, err := http.NewResponseController(rw).Hijack(); err == nil {
			conn.Close()
		}
	case hesitate:
		select {
		case <-time.After(200 * time.Millisecond):
		case <-r.Context().Done():
		}
	default:
		rw.WriteHeader(answer)
	}
}

func (s *secretSpan) verifies(r *http.Request, body []byte) bool {
	at := r.Header.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(at, 10, 64)
	if err != nil || !s.until.IsZero() && seconds > s.until.Unix()+1 {
		return false
	}
	mac := hmac.New(sha256.New, s.key)
	fmt.Fprintf(mac, "%s.%s.%s", r.Header.Get("webhook-id"), at, body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	return slices.Contains(strings.Fields(r.Header.Get("webhook-signature")), want)
}

func (w *witness) answers(answer func(r *http.Request) int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = answer
}

// always answers each request in the same way.
func always(answer int) func(*http.Request) int { return func(*http.Request) int { return answer } }

func (w *witness) requests() map[string][]request {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.seen)
}

// falls is how often an event's attempt number was lower than the one before, without a pause in which another process may
// have gone on with what the paused one held.
func falls(requests []request, pauses []time.Time) (n int) {
	for i := 1; i < len(requests); i++ {
		if requests[i].attempt < requests[i-1].attempt && !explains(pauses, requests[i-1].at, requests[i].at) {
			n++
		}
	}
	return n
}

// took reports whether one of the requests was answered 200.
func took(requests []request) bool {
	return slices.ContainsFunc(requests, func(r request) bool { return r.status == http.StatusOK })
}
