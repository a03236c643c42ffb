package main

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"jethook/consume/deliveries"
	"jethook/publish/delivery"
)

var oldBinary = flag.String("make-store", "", "absolute path of a jethook of an earlier release, which TestMakeUpgradeStore makes its store with")

// maker makes the store: a process of the release, and where its endpoints point to.
type maker struct {
	*process
	*storeReceiver
	left leftStore
}

// TestMakeUpgradeStore makes the store that TestUpgradeLosesNothing opens. It is run by hand, with the binary of a
// release:
//
//	go test ./cmd/jethook -run TestMakeUpgradeStore -make-store /path/to/jethook
//
// The process is killed twice: while it delivers, and while it only receives.
func TestMakeUpgradeStore(t *testing.T) {
	if *oldBinary == "" {
		t.Skip("it makes what another test needs: see -make-store")
	}
	m := &maker{process: newProcess(t, upgradeSettings...)}
	m.program = *oldBinary
	m.left.Endpoints = make(map[string]string)
	m.storeReceiver = newStoreReceiver(t, upgradeReceiver, answerBadly)
	m.start(t, "serve")
	m.keepForever(t)
	m.settle(t)
	m.signal(t, syscall.SIGTERM) // so that all of this is on the disk
	if err := m.cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	m.start(t, "serve")
	m.leaveHalfDone(t)
	m.look(t)
	m.kill(t)

	m.start(t, "ingest")
	m.storeMore(t)
	m.kill(t)
	m.save(t)
}

// answerBadly is a receiver of which little works.
func answerBadly(w http.ResponseWriter, r *http.Request, endpoint string) {
	switch endpoint {
	case "taken":
	case "full":
		<-r.Context().Done()
	case "asking":
		w.Header().Set("Retry-After", "20")
		w.WriteHeader(http.StatusTooManyRequests)
	case "gone":
		w.WriteHeader(http.StatusGone)
	default:
		w.WriteHeader(http.StatusInternalServerError)
	}
}

// keepForever lets nothing of the store grow too old that no setting is for.
func (m *maker) keepForever(t *testing.T) {
	t.Helper()
	js := jetStream(t, m.process)
	age, err := time.ParseDuration(farAhead)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"DEAD", "KV_jethook_recoveries"} {
		s, err := js.Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		cfg := s.CachedInfo().Config
		cfg.MaxAge = age
		if _, err := js.UpdateStream(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
	}
	for info := range js.ListStreams(t.Context()).Info() {
		if c := info.Config; c.MaxAge > 0 && c.MaxAge < age {
			t.Errorf("%s drops what is older than %s", c.Name, c.MaxAge)
		}
	}
}

// endpoint makes one that gets the events of its name, with further fields of its own.
func (m *maker) endpoint(t *testing.T, name, fields string) {
	t.Helper()
	var ep struct{ ID string }
	address := m.storeReceiver.url
	if name == "down" {
		address = "http://127.0.0.1:1" // where nobody listens
	}
	m.api(t, "POST", "/api/v1/endpoints", fmt.Sprintf(`{"name":%q,"url":%q,"events":["events.%s.>"%s}`,
		name, address+"/"+name, name, fields), &ep)
	m.left.Endpoints[name] = ep.ID
}

// smallBody and bigBody are what the events carry. A big one waits with its event.
const smallBody = `{"n":1}`

var bigBody = `{"text":"` + strings.Repeat("jethook ", delivery.LargeBody/8) + `"}`

// publish stores so many events for an endpoint, and notes what became of them unless look finds something else.
func (m *maker) publish(t *testing.T, endpoint string, n int, otherwise fate) {
	t.Helper()
	for range n {
		m.publishOne(t, endpoint, smallBody, otherwise)
	}
}

func (m *maker) publishOne(t *testing.T, endpoint, body string, otherwise fate) {
	t.Helper()
	id := fmt.Sprintf("%s-%d", endpoint, len(m.left.of(endpoint))+1)
	m.api(t, "POST", "/api/v1/events", fmt.Sprintf(`{"type":"%s.made","id":%q,"data":%s}`, endpoint, id, body), nil)
	m.note(endpoint, id, body, otherwise)
}

// postWebhook sends a webhook, which two endpoints are to get.
func (m *maker) postWebhook(t *testing.T, id string, taken, scheduled fate) {
	t.Helper()
	body := fmt.Sprintf(`{"id":%q,"type":"thing.happened"}`, id)
	m.postSigned(t, []byte(body))
	m.note("taken", id, body, taken)
	m.note("scheduled", id, body, scheduled)
}

func (m *maker) note(endpoint, event, body string, f fate) {
	m.left.Deliveries = append(m.left.Deliveries, leftDelivery{Endpoint: endpoint, Event: event, Size: len(body), Fate: f})
}

// count returns how many deliveries of an endpoint have a status, and wait for why if that is not empty.
func (m *maker) count(t *testing.T, endpoint string, status deliveries.Status, why string) (n int) {
	t.Helper()
	for _, d := range m.left.listed(t, m.process, status, endpoint) {
		if why == "" || d.Waits == why {
			n++
		}
	}
	return n
}

// awaitCount waits until at least n are there.
func (m *maker) awaitCount(t *testing.T, endpoint string, n int, status deliveries.Status, why string) {
	t.Helper()
	m.until(t, fmt.Sprintf("%d of %s are %s %s", n, endpoint, status, why), func() bool { return m.count(t, endpoint, status, why) >= n })
}

// settle leaves what nothing more happens to by itself.
func (m *maker) settle(t *testing.T) {
	t.Helper()
	m.endpoint(t, "taken", `,"webhooks.acme.>"]`)
	m.endpoint(t, "scheduled", `,"webhooks.acme.>"]`)
	m.endpoint(t, "dead", `],"retry_schedule":[]`)
	m.endpoint(t, "ordered", `],"ordered":true`)
	m.endpoint(t, "resting", `],"ordered":true,"disabled":true`)
	m.endpoint(t, "gone", `]`)
	m.endpoint(t, "down", `]`)
	m.publish(t, "taken", 4, fateDelivered)
	m.postWebhook(t, "webhook-1", fateDelivered, fateWaiting)
	m.publish(t, "scheduled", 2, fateWaiting)
	m.publishOne(t, "scheduled", bigBody, fateWaiting)
	m.publish(t, "dead", 2, fateDead)
	m.publishOne(t, "dead", bigBody, fateDead)
	m.publish(t, "ordered", 5, fateBehind)
	m.publish(t, "resting", 3, fateBehind)
	m.publish(t, "gone", 1, fateWaiting)
	m.publish(t, "down", 16, fateWaiting)
	m.awaitCount(t, "taken", 5, deliveries.StatusDelivered, "")
	m.awaitCount(t, "scheduled", 4, deliveries.StatusWaiting, "retry")
	m.awaitCount(t, "dead", 3, deliveries.StatusDead, "")
	m.awaitCount(t, "ordered", 1, deliveries.StatusWaiting, "retry")
	m.awaitCount(t, "gone", 1, deliveries.StatusWaiting, "retry")
	m.awaitCount(t, "down", 16, deliveries.StatusWaiting, "retry")
	m.publish(t, "gone", 2, fateMissed)
}

// leaveHalfDone leaves what the next process has to go on with.
func (m *maker) leaveHalfDone(t *testing.T) {
	t.Helper()
	m.endpoint(t, "disabled", `],"retry_schedule":["2s","168h"]`)
	m.endpoint(t, "recovering", `],"retry_schedule":[]`)
	m.endpoint(t, "soon", `],"retry_schedule":["1s","30s","168h"]`)
	m.endpoint(t, "due", `],"retry_schedule":["3s","168h"]`)
	m.endpoint(t, "limited", `],"retry_schedule":["1s","168h","168h","168h"],"rate_limit":"12/m"`)
	m.endpoint(t, "asking", `]`)
	m.endpoint(t, "full", `],"concurrency":1,"timeout":"5m"`)
	m.publish(t, "recovering", 20, fateDead)
	m.awaitCount(t, "recovering", 20, deliveries.StatusDead, "")
	m.publish(t, "disabled", 3, fateWaiting)
	m.awaitCount(t, "disabled", 3, deliveries.StatusWaiting, "retry")
	m.api(t, "POST", "/api/v1/endpoints/"+m.left.Endpoints["disabled"]+"/disable", "", nil)
	m.publish(t, "disabled", 2, fateMissed)
	m.publish(t, "asking", 2, fateWaiting)
	m.publish(t, "soon", 2, fateWaiting)
	m.publishOne(t, "soon", bigBody, fateWaiting)
	m.publish(t, "full", 11, fateHeld)
	m.publishOne(t, "full", bigBody, fateHeld)
	m.publish(t, "limited", 10, fateWaiting)
	m.awaitCount(t, "disabled", 3, deliveries.StatusWaiting, "disabled")
	m.awaitCount(t, "soon", 3, deliveries.StatusWaiting, "retry")
	m.awaitCount(t, "asking", 2, deliveries.StatusWaiting, "")
	m.awaitCount(t, "full", 2, deliveries.StatusWaiting, "turn")
	m.awaitCount(t, "limited", 8, deliveries.StatusWaiting, "turn")
	m.until(t, "the second attempts are over", func() bool { return len(m.at("soon")) == 6 })
	m.awaitCount(t, "soon", 3, deliveries.StatusWaiting, "retry")
	m.publish(t, "due", 2, fateWaiting)
	m.awaitCount(t, "due", 2, deliveries.StatusWaiting, "retry")
	m.api(t, "POST", "/api/v1/endpoints/"+m.left.Endpoints["recovering"]+"/recover", "{}", nil)
}

// look notes what waits and what is dead now.
func (m *maker) look(t *testing.T) {
	t.Helper()
	waiting, dead := m.left.listed(t, m.process, deliveries.StatusWaiting, ""), m.left.listed(t, m.process, deliveries.StatusDead, "")
	for i := range m.left.Deliveries {
		d := &m.left.Deliveries[i]
		p := pair{d.Endpoint, d.Event}
		if now, ok := waiting[p]; ok {
			d.Fate, d.Why, d.Attempts, d.Due = fateWaiting, now.Waits, now.Attempts, now.Next
		} else if now, ok := dead[p]; ok {
			d.Fate, d.Attempts = fateDead, now.Attempts
		}
	}
}

// storeMore stores what nobody delivers any more, as services and senders do.
func (m *maker) storeMore(t *testing.T) {
	t.Helper()
	m.postWebhook(t, "webhook-2", fateStored, fateStored)
	js := jetStream(t, m.process)
	for _, e := range []struct{ endpoint, id string }{{"taken", "nats-1"}, {"taken", ""}, {"ordered", "nats-2"}, {"full", "nats-3"}} {
		msg := nats.NewMsg("events." + e.endpoint + ".made")
		msg.Data = []byte(smallBody)
		if e.id != "" {
			msg.Header.Set("Nats-Msg-Id", e.id)
		}
		ack, err := js.PublishMsg(t.Context(), msg)
		if err != nil {
			t.Fatal(err)
		}
		if e.id == "" {
			e.id = fmt.Sprintf("EVENTS-%d", ack.Sequence)
		}
		m.note(e.endpoint, e.id, smallBody, fateStored)
	}
	deliveries, err := js.Stream(t.Context(), "DELIVERIES")
	if err != nil {
		t.Fatal(err)
	}
	for subjects, n := range map[string]int{"jethook.turn.>": 3, "jethook.due.>": 2} {
		m.until(t, "deliveries come due that nobody takes", func() bool {
			info, err := deliveries.Info(t.Context(), jetstream.WithSubjectFilter(subjects))
			if err != nil {
				t.Fatal(err)
			}
			return len(info.State.Subjects) >= n
		})
	}
}

// save writes the store and its manifest.
func (m *maker) save(t *testing.T) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(upgradeStore), 0o755); err != nil {
		t.Fatal(err)
	}
	text, err := json.MarshalIndent(&m.left, "", "  ")
	if err == nil {
		err = os.WriteFile(upgradeManifest, append(text, '\n'), 0o644)
	}
	if err == nil {
		err = pack(m.dataDir(), upgradeStore)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// dataDir is where the process has its store.
func (p *process) dataDir() string {
	const variable = "JETHOOK_DATA_DIR="
	i := slices.IndexFunc(p.env, func(v string) bool { return strings.HasPrefix(v, variable) })
	return strings.TrimPrefix(p.env[i], variable)
}

// pack writes a folder's files and folders into an archive. Links are left out: they point into this machine's memory.
func pack(dir, archive string) error {
	f, err := os.Create(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	zip, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	if err != nil {
		return err
	}
	w := tar.NewWriter(zip)
	root := os.DirFS(dir)
	err = fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == "." {
			return err
		}
		h := &tar.Header{Name: path + "/", Typeflag: tar.TypeDir, Mode: 0o700}
		var data []byte
		switch {
		case d.Type().IsRegular():
			if data, err = fs.ReadFile(root, path); err != nil {
				return err
			}
			h = &tar.Header{Name: path, Typeflag: tar.TypeReg, Mode: 0o600, Size: int64(len(data))}
		case !d.IsDir():
			return nil
		}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		_, err = w.Write(data)
		return err
	})
	for _, end := range []func() error{w.Close, zip.Close, f.Close} {
		if err == nil {
			err = end()
		}
	}
	return err
}
