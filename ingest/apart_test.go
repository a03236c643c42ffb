package ingest

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"testing"
	"time"

	"jethook/ingest/dedup"
	"jethook/ingest/header"
	"jethook/ingest/provider"
	"jethook/publish/event"
)

// life is requests of each sender about one object, such as a message that is sent and then opened. Those with the same
// letter are one event and its redelivery, which may differ from it; all others are events of their own.
type life struct {
	Sender string `json:"sender"`
	// Again means that the same bytes may be another event, and are when they come later than a redelivery at once.
	Again    bool `json:"again"`
	Requests []struct {
		Event   string            `json:"event"`
		Type    string            `json:"type"` // as it is in the subject; empty: not looked at
		Headers map[string]string `json:"headers"`
		Body    json.RawMessage   `json:"body"`
		Text    string            `json:"text"` // the body where it is no JSON
	} `json:"requests"`
}

func readLives(t testing.TB) []life {
	t.Helper()
	data, err := os.ReadFile("testdata/apart.json")
	if err != nil {
		t.Fatal(err)
	}
	var lives []life
	if err := json.Unmarshal(data, &lives); err != nil {
		t.Fatal(err)
	}
	return lives
}

// beforeTurn is just before a slot of ten seconds ends: what is sent next is in another one.
var beforeTurn = time.Unix(1_790_000_009, 900_000_000)

// openServer takes the requests of all senders of the table without a proof: how they prove themselves is tested where
// their schemes are.
func openServer(t *testing.T, r *rig, c *testClock) (url string, proofs map[string][]string) {
	t.Helper()
	o := Options{Publisher: r.bus, Now: c.now, Log: slog.New(slog.DiscardHandler), MaxBody: 1 << 20}
	rows := append(provider.All(), customSender(t, "hmac"), customSender(t, "token"))
	for _, row := range rows {
		o.Sources = append(o.Sources, plain(row.Name))
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	proofs = map[string][]string{}
	for _, row := range rows {
		src := s.sources[row.Name]
		src.Sender, src.Headers, src.Dedup = row, header.NewRules(&row), dedup.New(0, &row)
		src.Unproven()
		proofs[row.Name] = row.ProofHeaders()
	}
	return serveHandler(t, s), proofs
}

func customSender(t *testing.T, name string) provider.Sender {
	t.Helper()
	s, faults := provider.Build(name, provider.Options{Header: "X-Proof"})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return s
}

// TestEventsOfOneObject: of every sender, all that happens to one object is stored, each once.
func TestEventsOfOneObject(t *testing.T) {
	t.Parallel()
	r, c := newRig(t), &testClock{at: beforeTurn}
	url, proofs := openServer(t, r, c)
	told := map[string]bool{}
	for _, life := range readLives(t) {
		if !slices.Contains(provider.Names(), life.Sender) { // a row that is not there can lose nothing
			continue
		}
		told[life.Sender] = true
		ids := map[string]string{} // by event
		send := func(i int) string {
			q := life.Requests[i]
			body := string(q.Body)
			h := http.Header{"Content-Type": {"application/json"}}
			if body == "" {
				body = q.Text
			}
			for _, name := range proofs[life.Sender] { // a request without any is refused before it is read
				h.Set(name, "x")
			}
			for name, value := range q.Headers {
				h.Set(name, value)
			}
			before := r.stored(t)
			resp, text := do(t, request(t, url+"/webhooks/"+life.Sender+"?token=x", body, h))
			if resp.StatusCode/100 != 2 {
				t.Fatalf("%s: %d %s", life.Sender, resp.StatusCode, text)
			}
			if r.stored(t) == before {
				return ""
			}
			stored := r.last(t)
			if want := "webhooks." + life.Sender + "." + q.Type; q.Type != "" && stored.Subject != want {
				t.Errorf("%s: an event lies on %s, want %s", life.Sender, stored.Subject, want)
			}
			return stored.Header.Get(event.HeaderID)
		}
		for i, q := range life.Requests {
			id := send(i)
			switch first, again := ids[q.Event]; {
			case again && id != "":
				t.Errorf("%s: the redelivery of event %s is stored again, %s after %s", life.Sender, q.Event, id, first)
			case !again && id == "":
				t.Errorf("%s: event %s is taken for a copy", life.Sender, q.Event)
			}
			for event, other := range ids {
				if id != "" && id == other {
					t.Errorf("%s: events %s and %s have the id %s", life.Sender, event, q.Event, id)
				}
			}
			if id != "" {
				ids[q.Event] = id
			}
		}
		c.advance(200 * time.Millisecond) // into the next slot
		if id := send(0); id != "" {
			t.Errorf("%s: a redelivery at once is stored again as %s", life.Sender, id)
		}
		c.advance(provider.EqualBodies)
		id := send(0)
		if (id != "") != life.Again || id != "" && id == ids[life.Requests[0].Event] {
			t.Errorf("%s: the same bytes some seconds later: stored as %q, after %q", life.Sender, id, ids[life.Requests[0].Event])
		}
		c.advance(provider.EqualBodies - 200*time.Millisecond)
	}
	for _, name := range provider.Names() {
		if !told[name] {
			t.Errorf("%s: nothing is told of its events", name)
		}
	}
}
