// Package recovery redelivers what an endpoint failed or missed of the events of a time, as a job that outlives the process
// that works on it. It makes no attempt itself and sends nothing that the history says was delivered: it makes deliveries due,
// no more of them at once than the endpoint takes.
package recovery

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/consume/cursor"
	"jethook/consume/endpoint"
	"jethook/consume/paging"
	"jethook/publish"
	"jethook/publish/failure"
	"jethook/publish/query"
	"jethook/publish/topology"
)

// State says whether a recovery goes on. The set is closed.
type State string

// The states of a recovery.
const (
	Running   State = "running"
	Done      State = "done"
	Failed    State = "failed"
	Cancelled State = "cancelled"
)

// Recovery redelivers what an endpoint failed or missed of the events of a time. It lies in a bucket and is worked on by
// one process at a time; when that one is killed, another goes on with it.
type Recovery struct {
	ID       string         `json:"id,omitempty" doc:"absent after a dry run"`
	Endpoint string         `json:"endpoint"`
	DryRun   bool           `json:"dry_run,omitempty" doc:"counts are what would be redelivered; nothing was changed"`
	Since    time.Time      `json:"since,omitzero" doc:"only events received at this time or later; absent: all stored events"`
	Until    time.Time      `json:"until" doc:"only events before this time; at most the start of the recovery"`
	Missing  bool           `json:"missing" doc:"include events from before the endpoint was created"`
	State    State          `json:"state" doc:"running, done, failed, or cancelled (by a request, or because the endpoint was removed)" enum:"running,done,failed,cancelled"`
	Phase    Phase          `json:"phase" doc:"the current or last phase" enum:"dead,waiting,missed"`
	Counts   RecoveryCounts `json:"counts" doc:"what has been redelivered so far; a crash may leave up to 250 uncounted"`
	Gone     uint64         `json:"gone,omitempty" doc:"waiting events that retention removed in this period, according to the history; they can't be redelivered" example:"12"`
	Started  time.Time      `json:"started"`
	Finished time.Time      `json:"finished,omitzero"`
	Error    string         `json:"error,omitempty" doc:"why it failed or was cancelled, or why it makes no progress"`
}

// Phase is what a recovery works on. The set is closed; they come in this order.
type Phase string

// The phases of a recovery.
const (
	PhaseDead    Phase = "dead"
	PhaseWaiting Phase = "waiting"
	PhaseMissed  Phase = "missed"
)

// RecoveryCounts are deliveries, by what they were before.
type RecoveryCounts struct {
	Dead    int `json:"dead" doc:"dead letters"`
	Waiting int `json:"waiting" doc:"deliveries waiting for their next attempt"`
	Missed  int `json:"missed" doc:"matching events without a delivery to the endpoint"`
}

func (c *RecoveryCounts) add(p Phase, n int) {
	switch p {
	case PhaseDead:
		c.Dead += n
	case PhaseWaiting:
		c.Waiting += n
	case PhaseMissed:
		c.Missed += n
	}
}

// recoveryJob is a recovery as the bucket holds it.
type recoveryJob struct {
	Recovery
	Place recoveryPlace `json:"place"`
	Owner string        `json:"owner,omitempty"` // the process that works on it
	Lease time.Time     `json:"lease,omitzero"`  // after which another one may

	key      string // in the bucket: the endpoint's id, or below it once another recovery followed
	revision uint64
}

// recoveryPlace is where a recovery stands: all before it is done.
type recoveryPlace struct {
	Scan int    `json:"leg"`
	Next uint64 `json:"next,omitempty"` // sequence to go on from; 0: the scan has not begun
	End  uint64 `json:"end,omitempty"`  // last sequence of the scan
}

// Errors of recoveries. Test with errors.Is.
var (
	// ErrNotFound means that there is no recovery with this id.
	ErrNotFound = errors.New("no such recovery")
	// ErrTooMuch means that a recovery would have to remember more deliveries than it may.
	ErrTooMuch = errors.New("too many deliveries in this time")
)

// RunningError means that the endpoint has a recovery that is running.
type RunningError struct{ ID string }

// Error names the recovery.
func (e *RunningError) Error() string { return "recovery " + e.ID + " of this endpoint is running" }

// Recoveries starts recoveries and tells of them; the engines of all processes do the work.
type Recoveries struct {
	bus     *publish.Bus
	cursors *cursor.Table // not run
}

// New returns the recoveries that lie on bus.
func New(bus *publish.Bus) *Recoveries { return &Recoveries{bus, cursor.NewIdleTable(bus)} }

// newRecovery is a recovery that begins now. A time that has not come ends it now, too.
func newRecovery(ep *endpoint.Endpoint, since, until time.Time, missing bool) Recovery {
	now := time.Now().UTC()
	if until.IsZero() || until.After(now) {
		until = now
	}
	if !since.IsZero() {
		since = since.UTC()
	}
	return Recovery{
		ID: newRecoveryID(ep.ID), Endpoint: ep.ID, Since: since, Until: until.UTC(), Missing: missing,
		State: Running, Phase: PhaseDead, Started: now,
	}
}

// Start begins a recovery. The error is a RecoveringError while the endpoint has another one: the bucket has one key for
// the newest recovery of an endpoint.
func (r *Recoveries) Start(ctx context.Context, ep *endpoint.Endpoint, since, until time.Time, missing bool) (Recovery, error) {
	rec := newRecovery(ep, since, until, missing)
	var err error
	if rec.Gone, err = missedSince(ctx, r.bus, ep.ID, since); err != nil {
		return Recovery{}, err
	}
	data, err := json.Marshal(recoveryJob{Recovery: rec})
	if err != nil {
		return Recovery{}, fmt.Errorf("encoding recovery %s: %w", rec.ID, err)
	}
	for {
		err := r.store(ctx, ep.ID, data)
		switch {
		case err == nil:
			return rec, nil
		case errors.Is(err, jetstream.ErrKeyExists), errors.Is(err, jetstream.ErrKeyRevisionMismatch): // somebody was faster
			continue
		}
		if running, ok := errors.AsType[*RunningError](err); ok {
			return Recovery{}, running
		}
		return Recovery{}, fmt.Errorf("%w: storing a recovery: %w", failure.ErrUnavailable, err)
	}
}

// store makes data the endpoint's newest recovery, and keeps the one before, which must have ended, below it.
func (r *Recoveries) store(ctx context.Context, key string, data []byte) error {
	kv := r.bus.Buckets().Recoveries
	entry, err := kv.Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		_, err = kv.Create(ctx, key, data)
		return err
	}
	if err != nil {
		return err
	}
	before, err := decodeRecovery(key, entry.Value(), entry.Revision())
	if err != nil { // nobody works on it
		_, err = kv.Update(ctx, key, data, entry.Revision())
		return err
	}
	if before.State == Running {
		return &RunningError{ID: before.ID}
	}
	if _, err = kv.Put(ctx, key+"."+before.ID, entry.Value()); err == nil {
		_, err = kv.Update(ctx, key, data, entry.Revision())
	}
	return err
}

// List returns all recoveries, the newest first. Those that ended are kept for 7 days. Records that can't be read are
// passed over.
func (r *Recoveries) List(ctx context.Context) ([]Recovery, error) {
	jobs, _, err := r.jobs(ctx)
	all := make([]Recovery, len(jobs))
	for i := range jobs {
		all[i] = jobs[i].Recovery
	}
	return all, err
}

// jobs returns all recoveries, and by key why others can't be read.
func (r *Recoveries) jobs(ctx context.Context) (jobs []recoveryJob, bad map[string]error, err error) {
	bad = make(map[string]error)
	for next := uint64(1); next != 0; {
		var page []query.Stored
		if page, next, err = r.bus.Query().Forward(ctx, query.Bucket(topology.BucketRecoveries), next, paging.Max); err != nil {
			return nil, nil, fmt.Errorf("listing recoveries: %w", err)
		}
		for i := range page {
			key, ok := page[i].Key(topology.BucketRecoveries)
			if !ok {
				continue
			}
			job, err := decodeRecovery(key, page[i].Data, page[i].Seq)
			if err != nil {
				bad[key] = err
				continue
			}
			jobs = append(jobs, job)
		}
	}
	return inOrder(jobs), bad, nil
}

// inOrder sorts jobs by when they started, the newest first. One that changed while the bucket was read is in the list
// twice, and so is one whose process was killed while it was being kept below its endpoint.
func inOrder(jobs []recoveryJob) []recoveryJob {
	slices.SortFunc(jobs, func(a, b recoveryJob) int {
		return cmp.Or(b.Started.Compare(a.Started), cmp.Compare(a.ID, b.ID), cmp.Compare(len(a.key), len(b.key)), cmp.Compare(b.revision, a.revision))
	})
	return slices.CompactFunc(jobs, func(a, b recoveryJob) bool { return a.ID == b.ID })
}

// Get returns a recovery as it stands.
func (r *Recoveries) Get(ctx context.Context, id string) (Recovery, error) {
	job, err := r.job(ctx, id)
	return job.Recovery, err
}

// maxRecoveryID is more than any recovery's id has: a subject of some kilobytes would end the connection.
const maxRecoveryID = 128

func (r *Recoveries) job(ctx context.Context, id string) (recoveryJob, error) {
	if len(id) > maxRecoveryID {
		return recoveryJob{}, ErrNotFound
	}
	endpoint := endpointOf(id)
	for _, key := range []string{endpoint, endpoint + "." + id} {
		entry, err := r.bus.Buckets().Recoveries.Get(ctx, key)
		if errors.Is(err, jetstream.ErrKeyNotFound) || errors.Is(err, jetstream.ErrInvalidKey) {
			continue
		}
		if err != nil {
			return recoveryJob{}, fmt.Errorf("%w: reading recovery %s: %w", failure.ErrUnavailable, id, err)
		}
		job, err := decodeRecovery(key, entry.Value(), entry.Revision())
		if err == nil && job.ID == id {
			return job, nil
		}
	}
	return recoveryJob{}, ErrNotFound
}

// newRecoveryID returns an id from which endpointOf tells where in the bucket the recovery lies.
func newRecoveryID(endpoint string) string {
	return "rec_" + strings.TrimPrefix(endpoint, "ep_") + "_" + strings.ToLower(rand.Text()[:8])
}

func endpointOf(id string) string {
	rest := strings.TrimPrefix(id, "rec_")
	return "ep_" + rest[:max(0, strings.LastIndexByte(rest, '_'))]
}

// Cancel ends a recovery. What it made due stays so. One that has ended stays as it is.
func (r *Recoveries) Cancel(ctx context.Context, id string) (Recovery, error) {
	for {
		job, err := r.job(ctx, id)
		if err != nil || job.State != Running {
			return job.Recovery, err
		}
		job.end(Cancelled, "")
		switch err := r.save(ctx, &job); {
		case err == nil:
			return job.Recovery, nil
		case !errors.Is(err, failure.ErrConflict): // else it has just moved on
			return Recovery{}, err
		}
	}
}

func (job *recoveryJob) end(state State, reason string) {
	job.State, job.Error, job.Finished, job.Owner, job.Lease = state, reason, time.Now().UTC(), "", time.Time{}
}

// save stores the job, provided that nobody else has since it was read: ErrConflict.
func (r *Recoveries) save(ctx context.Context, job *recoveryJob) error {
	data, err := json.Marshal(job)
	if err != nil {
		return fmt.Errorf("encoding recovery %s: %w", job.ID, err)
	}
	revision, err := r.bus.Buckets().Recoveries.Update(ctx, job.key, data, job.revision)
	switch {
	case errors.Is(err, jetstream.ErrKeyRevisionMismatch):
		return fmt.Errorf("storing recovery %s: %w", job.ID, failure.ErrConflict)
	case err != nil:
		return fmt.Errorf("%w: storing recovery %s: %w", failure.ErrUnavailable, job.ID, err)
	}
	job.revision = revision
	return nil
}
