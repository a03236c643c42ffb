package main

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"jethook/consume/deliveries"
	"jethook/consume/recovery"
)

// A store that a process of an earlier release was killed on loses nothing: every event is delivered to each endpoint
// that it was for, and none again that was delivered. What waited for the endpoint alone goes on by itself, and the rest
// when it is asked for. The store is years old one day: only what was due decades after it was made still waits then.
func TestUpgradeLosesNothing(t *testing.T) {
	t.Parallel()
	u := &upgrade{left: readLeftStore(t), process: newProcess(t, upgradeSettings...)}
	u.receiver = newStoreReceiver(t, upgradeReceiver, func(http.ResponseWriter, *http.Request, string) {})
	unpack(t, upgradeStore, u.dataDir())
	u.start(t, "serve")
	u.patch(t, "limited", `{"rate_limit":""}`) // whatever it waits for does not last longer than its limit
	u.seesWhatRests(t)

	for _, endpoint := range []string{"taken", "soon", "due", "asking", "limited", "full"} {
		u.receiver.await(t, endpoint, len(u.owed(endpoint)))
	}
	u.enables(t)
	u.redelivers(t)
	u.isAllDelivered(t)
	for endpoint := range u.left.Endpoints {
		u.gotWhatItWasOwed(t, endpoint)
	}
}

// upgrade is a process on the store.
type upgrade struct {
	*process
	left     *leftStore
	receiver *storeReceiver
}

// owed returns the events that an endpoint was still to get, in the order in which they were published.
func (u *upgrade) owed(endpoint string) (events []string) {
	for _, d := range u.left.of(endpoint) {
		if d.Fate != fateDelivered {
			events = append(events, d.Event)
		}
	}
	return events
}

func (u *upgrade) path(endpoint string) string {
	return "/api/v1/endpoints/" + u.left.Endpoints[endpoint]
}

func (u *upgrade) patch(t *testing.T, endpoint, fields string) {
	t.Helper()
	u.api(t, "PATCH", u.path(endpoint), fields, nil)
}

// seesWhatRests waits until each delivery that nothing happens to before somebody asks for it is listed as it was left.
func (u *upgrade) seesWhatRests(t *testing.T) {
	t.Helper()
	var misplaced []string
	defer func() {
		if len(misplaced) > 0 {
			t.Error(misplaced)
		}
	}()
	u.until(t, "what rests is listed as it was left", func() bool {
		misplaced = u.misplaced(t)
		return len(misplaced) == 0
	})
}

// misplaced says what is listed otherwise than it was left. What comes due for a disabled endpoint at this moment may be.
func (u *upgrade) misplaced(t *testing.T) (found []string) {
	t.Helper()
	all := make(map[fate]map[pair]deliveries.Delivery)
	for _, status := range []fate{fateDelivered, fateWaiting, fateDead} {
		all[status] = u.left.listed(t, u.process, deliveries.Status(status), "")
	}
	for _, d := range u.left.Deliveries {
		far := d.Due != nil && time.Until(*d.Due) > 24*time.Hour
		rests := map[fate]bool{fateDelivered: true, fateDead: d.Endpoint != "recovering", fateWaiting: d.Endpoint == "disabled" || far}
		if !rests[d.Fate] {
			continue
		}
		for status, listed := range all {
			got, ok := listed[pair{d.Endpoint, d.Event}]
			switch {
			case ok != (status == d.Fate):
				found = append(found, fmt.Sprintf("%s was left %s; listed as %s: %t", d.Event, d.Fate, status, ok))
			case d.Fate == fateWaiting && ok && got.Attempts != d.Attempts:
				found = append(found, fmt.Sprintf("%s had %d attempts, and has %d", d.Event, d.Attempts, got.Attempts))
			case far && ok && (got.Next == nil || !got.Next.Equal(*d.Due)):
				found = append(found, fmt.Sprintf("%s was due at %s, and is at %v", d.Event, d.Due, got.Next))
			}
		}
	}
	return found
}

// enables lets the disabled endpoints go on. One of them has moved, and what waits for it moves too.
func (u *upgrade) enables(t *testing.T) {
	t.Helper()
	moved := newStoreReceiver(t, "127.0.0.1:0", func(http.ResponseWriter, *http.Request, string) {})
	u.patch(t, "disabled", `{"url":"`+moved.url+`/disabled"}`)
	for _, endpoint := range []string{"disabled", "resting", "gone"} {
		u.api(t, "POST", u.path(endpoint)+"/enable", "", nil)
	}
	moved.await(t, "disabled", 3) // what was parked
	u.receiver.await(t, "resting", len(u.owed("resting")))
	for _, endpoint := range []string{"disabled", "gone"} { // what passed them by
		u.recovers(t, endpoint)
	}
	moved.await(t, "disabled", len(u.owed("disabled")))
	u.receiver.await(t, "gone", len(u.owed("gone")))
	if n := len(u.receiver.at("disabled")); n > 0 {
		t.Errorf("%d requests went to the address that the endpoint had", n)
	}
	u.receiver.take(moved)
}

// redelivers asks for what is dead, or waits for a time that is far ahead.
func (u *upgrade) redelivers(t *testing.T) {
	t.Helper()
	for _, d := range u.left.listed(t, u.process, deliveries.StatusWaiting, "") {
		if d.Endpoint == u.left.Endpoints["scheduled"] || d.Endpoint == u.left.Endpoints["ordered"] && d.Attempts > 0 {
			u.api(t, "POST", "/api/v1/deliveries/"+d.ID+"/retry", "", nil)
		}
	}
	u.patch(t, "down", `{"url":"`+u.receiver.url+`/down"}`)
	u.recovers(t, "down")
	u.until(t, "the recovery that was under way ends", func() bool { return !u.recovering(t) })
	u.api(t, "POST", "/api/v1/dead/replay", "{}", nil)
	for _, endpoint := range []string{"scheduled", "ordered", "down", "dead", "recovering"} {
		u.receiver.await(t, endpoint, len(u.owed(endpoint)))
	}
}

func (u *upgrade) recovers(t *testing.T, endpoint string) {
	t.Helper()
	var rec recovery.Recovery
	u.api(t, "POST", u.path(endpoint)+"/recover", "{}", &rec)
	u.until(t, "the recovery of "+endpoint+" ends", func() bool {
		u.api(t, "GET", "/api/v1/recoveries/"+rec.ID, "", &rec)
		return rec.State != recovery.Running
	})
	if rec.State != recovery.Done {
		t.Errorf("the recovery of %s: %+v", endpoint, rec)
	}
}

// recovering reports whether a recovery runs.
func (u *upgrade) recovering(t *testing.T) bool {
	t.Helper()
	var list struct{ Items []recovery.Recovery }
	u.api(t, "GET", "/api/v1/recoveries", "", &list)
	return slices.ContainsFunc(list.Items, func(r recovery.Recovery) bool { return r.State == recovery.Running })
}

// isAllDelivered checks that the API lists every delivery as delivered, and as nothing else.
func (u *upgrade) isAllDelivered(t *testing.T) {
	t.Helper()
	u.until(t, "all is listed as delivered, and nothing waits", func() bool {
		delivered := u.left.listed(t, u.process, deliveries.StatusDelivered, "")
		return len(u.left.listed(t, u.process, deliveries.StatusWaiting, "")) == 0 &&
			!slices.ContainsFunc(u.left.Deliveries, func(d leftDelivery) bool {
				_, ok := delivered[pair{d.Endpoint, d.Event}]
				return !ok
			})
	})
	if dead := u.left.listed(t, u.process, deliveries.StatusDead, ""); len(dead) > 0 {
		t.Errorf("dead: %v", dead)
	}
}

// gotWhatItWasOwed checks the requests that an endpoint got in all.
func (u *upgrade) gotWhatItWasOwed(t *testing.T, endpoint string) {
	t.Helper()
	came := u.receiver.at(endpoint)
	got, owed := distinct(came), u.owed(endpoint)
	if endpoint != "ordered" && endpoint != "resting" {
		slices.Sort(got)
		slices.Sort(owed)
	}
	if !slices.Equal(got, owed) {
		t.Errorf("%s got %v, and was to get %v", endpoint, got, owed)
	}
	for _, d := range u.left.of(endpoint) {
		times := 0
		for _, a := range came {
			if a.event != d.Event {
				continue
			}
			if times++; a.size != d.Size {
				t.Errorf("%s came with %d bytes of %d", d.Event, a.size, d.Size)
			}
			if times == 1 && d.Fate == fateWaiting && a.attempt != d.Attempts+1 {
				t.Errorf("%s had %d attempts, and came as attempt %d", d.Event, d.Attempts, a.attempt)
			}
		}
		if times > 1 && d.Fate != fateHeld { // a kill may repeat what was under way, and nothing else
			t.Errorf("%s was left %s, and came %d times", d.Event, d.Fate, times)
		}
	}
}

// take adds what came to another one.
func (r *storeReceiver) take(other *storeReceiver) {
	r.mu.Lock()
	defer r.mu.Unlock()
	other.mu.Lock()
	defer other.mu.Unlock()
	r.came = append(r.came, other.came...)
}

// unpack writes what pack packed into a new folder.
func unpack(t *testing.T, archive, dir string) {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zip, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(zip); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, filepath.FromSlash(h.Name))
		if h.Typeflag == tar.TypeDir {
			err = os.Mkdir(path, 0o700)
		} else {
			var data []byte
			if data, err = io.ReadAll(r); err == nil {
				err = os.WriteFile(path, data, 0o600)
			}
		}
		if err != nil {
			t.Fatal(fmt.Errorf("unpacking %s: %w", archive, err))
		}
	}
}
