package main

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	admindeliveries "jethook/consume/admin/deliveries"
	"jethook/consume/deliveries"
)

const (
	upgradeStore    = "testdata/upgrade/store.tar.gz"
	upgradeManifest = "testdata/upgrade/manifest.json"
	// upgradeReceiver is the address that the store's endpoints have: below what the system gives to connections, and
	// beyond what freePort gives.
	upgradeReceiver = "127.0.0.1:32451"
	// farAhead is for how long the store keeps everything, and when a retry of it is due that has no schedule of its
	// own: the store is opened years after it was made.
	farAhead = "438000h"
)

// upgradeSettings are those of who makes the store, and of who opens it.
var upgradeSettings = []string{
	"JETHOOK_SYNC=always", "JETHOOK_RETRY_SCHEDULE=" + strings.Repeat(farAhead+",", 4) + farAhead, "JETHOOK_DISABLE_AFTER=0",
	"JETHOOK_RETENTION=" + farAhead, "JETHOOK_HISTORY_RETENTION=" + farAhead, "JETHOOK_REJECTED_RETENTION=" + farAhead,
}

// fate is what had become of an event at an endpoint when the store was left.
type fate string

const (
	fateDelivered fate = "delivered"
	fateWaiting   fate = "waiting" // in DELIVERIES
	fateDead      fate = "dead"
	fateHeld      fate = "held"   // being attempted for the first time
	fateStored    fate = "stored" // in its stream, and nobody had looked at it
	fateBehind    fate = "behind" // in its stream, which an ordered endpoint has not come to
	fateMissed    fate = "missed" // it came while its endpoint was disabled, and passed it by
)

// leftDelivery is one event's fate at one endpoint.
type leftDelivery struct {
	Endpoint string     `json:"endpoint"` // its name
	Event    string     `json:"event"`    // its id
	Size     int        `json:"size"`     // of its body, in bytes
	Fate     fate       `json:"fate"`
	Why      string     `json:"why,omitempty"` // of a waiting one
	Attempts int        `json:"attempts"`      // made so far
	Due      *time.Time `json:"due,omitempty"` // of a waiting one
}

// leftStore says what is in the store.
type leftStore struct {
	Endpoints  map[string]string `json:"endpoints"`  // ids by name
	Deliveries []leftDelivery    `json:"deliveries"` // of one endpoint in the order in which they were published
}

func readLeftStore(t *testing.T) *leftStore {
	t.Helper()
	text, err := os.ReadFile(upgradeManifest)
	if err != nil {
		t.Fatal(err)
	}
	var left leftStore
	if err := json.Unmarshal(text, &left); err != nil {
		t.Fatal(err)
	}
	return &left
}

// of returns what was left of one endpoint.
func (s *leftStore) of(endpoint string) (all []leftDelivery) {
	for _, d := range s.Deliveries {
		if d.Endpoint == endpoint {
			all = append(all, d)
		}
	}
	return all
}

// listed returns all that the admin API lists with a status, or of one endpoint if that is not empty.
func (s *leftStore) listed(t *testing.T, p *process, status deliveries.Status, endpoint string) map[pair]deliveries.Delivery {
	t.Helper()
	names := make(map[string]string)
	for name, id := range s.Endpoints {
		names[id] = name
	}
	path := "/api/v1/deliveries?limit=500&status=" + string(status)
	if endpoint != "" {
		path += "&endpoint=" + s.Endpoints[endpoint]
	}
	all := make(map[pair]deliveries.Delivery)
	for cursor := ""; ; {
		var page admindeliveries.DeliveryPage
		p.api(t, "GET", path+cursor, "", &page)
		for _, d := range page.Items {
			all[pair{names[d.Endpoint], d.EventID}] = d
		}
		if page.NextCursor == "" {
			return all
		}
		cursor = "&cursor=" + page.NextCursor
	}
}

// arrival is a request that a receiver got.
type arrival struct {
	pair
	attempt, size int
}

// storeReceiver is where all endpoints of the store point to, each with a path that is its name.
type storeReceiver struct {
	url    string
	answer func(w http.ResponseWriter, r *http.Request, endpoint string)

	mu   sync.Mutex // guards what follows
	came []arrival
	more chan struct{} // has one entry when something came
}

// newStoreReceiver listens until the test ends. It waits while another run of the test has the address.
func newStoreReceiver(t *testing.T, address string, answer func(w http.ResponseWriter, r *http.Request, endpoint string)) *storeReceiver {
	t.Helper()
	l, err := net.Listen("tcp", address)
	for deadline := time.Now().Add(2 * limit); err != nil; l, err = net.Listen("tcp", address) {
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond) // another process sends no event that could be waited on
	}
	r := &storeReceiver{url: "http://" + l.Addr().String(), answer: answer, more: make(chan struct{}, 1)}
	server := &http.Server{Handler: r}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return r
}

func (r *storeReceiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	size, _ := io.Copy(io.Discard, req.Body)
	endpoint := strings.TrimPrefix(req.URL.Path, "/")
	n, _ := strconv.Atoi(req.Header.Get("Jethook-Attempt"))
	r.mu.Lock()
	r.came = append(r.came, arrival{pair{endpoint, req.Header.Get("webhook-id")}, n, int(size)})
	r.mu.Unlock()
	select {
	case r.more <- struct{}{}:
	default:
	}
	r.answer(w, req, endpoint)
}

// at returns what came for an endpoint so far, in order.
func (r *storeReceiver) at(endpoint string) (came []arrival) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.came {
		if a.endpoint == endpoint {
			came = append(came, a)
		}
	}
	return came
}

// await waits until an endpoint got as many different events.
func (r *storeReceiver) await(t *testing.T, endpoint string, events int) {
	t.Helper()
	deadline := time.After(limit)
	for {
		got := distinct(r.at(endpoint))
		if len(got) >= events {
			return
		}
		select {
		case <-r.more:
		case <-deadline:
			t.Fatalf("%s got %d events of %d: %v", endpoint, len(got), events, got)
		}
	}
}

// distinct returns the events of arrivals, each where it came first.
func distinct(came []arrival) (events []string) {
	for _, a := range came {
		if !slices.Contains(events, a.event) {
			events = append(events, a.event)
		}
	}
	return events
}
