package recovery

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"jethook/consume/endpoint"
	"jethook/publish/seal"
)

// goodRecovery is a record as Start and the engine write it.
func goodRecovery(t testing.TB) (key, record string) {
	t.Helper()
	rec := newRecovery(&endpoint.Endpoint{ID: "ep_a"}, time.Time{}, time.Time{}, false)
	job := recoveryJob{Recovery: rec, Place: recoveryPlace{Scan: 1, Next: 5, End: 9}, Owner: "me", Lease: time.Now().Add(recoveryLease).UTC()}
	data, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	return "ep_a", string(data)
}

// badRecoveries are changes to such a record after which nobody may work on it.
func badRecoveries(record string) map[string]string {
	with := func(old, with string) string { return strings.Replace(record, old, with, 1) }
	return map[string]string{
		"empty": "", "null": "null", "cut off": record[:len(record)/2], "brackets": strings.Repeat("[", 1<<15), "large": with(`{`, `{"x":"`+strings.Repeat("x", 1<<17)+`",`),
		"scan before the first": with(`"leg":1`, `"leg":-1`), "sequence below 0": with(`"next":5`, `"next":-5`),
		"all endpoints": with(`"endpoint":"ep_a"`, `"endpoint":"*"`), "another endpoint": with(`"endpoint":"ep_a"`, `"endpoint":"ep_b"`),
		"no id": with(`"id":"rec_a_`, `"no":"rec_a_`), "no state": with(`"running"`, `"done soon"`), "no phase": with(`"phase":"dead"`, `"phase":""`),
		"no time": with(`"started":"2`, `"then":"2`), "a lease for ever": with(`"lease":"2`, `"lease":"9`),
	}
}

func TestDecodeRecovery(t *testing.T) {
	t.Parallel()
	key, record := goodRecovery(t)
	job, err := decodeRecovery(key, []byte(record), 7)
	if err != nil || job.Place.End != 9 || job.revision != 7 {
		t.Fatalf("got %+v, %v", job, err)
	}
	if _, err := decodeRecovery(key+"."+job.ID, []byte(record), 7); err != nil {
		t.Errorf("below its endpoint: %v", err)
	}
	for _, key := range []string{"ep_b", "ep_a.rec_a_other", "ep_a.b"} {
		if _, err := decodeRecovery(key, []byte(record), 7); !errors.Is(err, seal.ErrUnreadable) {
			t.Errorf("under %s: %v", key, err)
		}
	}
	for name, bad := range badRecoveries(record) {
		if bad == record {
			t.Fatalf("%s changes nothing", name)
		}
		if _, err := decodeRecovery(key, []byte(bad), 7); !errors.Is(err, seal.ErrUnreadable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzDecodeRecovery shows that no record panics, and that what is taken is in the closed sets and can be walked.
func FuzzDecodeRecovery(f *testing.F) {
	key, record := goodRecovery(f)
	f.Add(key, []byte(record))
	for _, bad := range badRecoveries(record) {
		f.Add(key, []byte(bad))
	}
	f.Fuzz(func(t *testing.T, key string, data []byte) {
		job, err := decodeRecovery(key, data, 1)
		if err != nil {
			if !errors.Is(err, seal.ErrUnreadable) {
				t.Errorf("got %v", err)
			}
			return
		}
		scans := (&redeliverer{ep: &endpoint.Endpoint{ID: job.Endpoint}}).scans()
		if job.Place.Scan < len(scans) {
			_ = scans[job.Place.Scan]
		}
		if again, err := json.Marshal(job); err == nil {
			if back, err := decodeRecovery(key, again, 1); err != nil || back.Place != job.Place || back.State != job.State {
				t.Errorf("not the same after a round trip: %+v, %v", back, err)
			}
		}
	})
}
