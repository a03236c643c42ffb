package consume

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/consume/endpoint"
	"jethook/publish"
)

// RecoveryState says whether a recovery goes on. The set is closed.
type RecoveryState string

// The states of a recovery.
const (
	RecoveryRunning   RecoveryState = "running"
	RecoveryDone      RecoveryState = "done"
	RecoveryFailed    RecoveryState = "failed"
	RecoveryCancelled RecoveryState = "cancelled"
)

// Recovery redelivers what an endpoint failed or missed of the events of a time. It lies in a bucket and is worked on by
// one process at a time; when that one is killed, another goes on with it.
type Recovery struct {
	ID       string         `json:"id,omitempty" doc:"absent after a dry run"`
	Endpoint string         `json:"endpoint"`
	DryRun   bool           `json:"dry_run,omitempty" doc:"counts are what would be redelivered; nothing was"`
	Since    time.Time      `json:"since,omitzero" doc:"of events that Jethook took at this time or later; absent: of all that are stored"`
	Until    time.Time      `json:"until" doc:"of events before this time; at most when it started"`
	Missing  bool           `json:"missing" doc:"also of events from before the endpoint was created"`
	State    RecoveryState  `json:"state" enum:"running,done,failed,cancelled"`
	Phase    RecoveryPhase  `json:"phase" doc:"what it works on, or worked on last" enum:"dead,waiting,missed"`
	Counts   RecoveryCounts `json:"counts" doc:"what is redelivered so far"`
	Started  time.Time      `json:"started"`
	Finished time.Time      `json:"finished,omitzero"`
	Error    string         `json:"error,omitempty" doc:"why it failed or was cancelled, or why it makes no progress"`
}

// RecoveryPhase is what a recovery works on. The set is closed; they come in this order.
type RecoveryPhase string

// The phases of a recovery.
const (
	PhaseDead    RecoveryPhase = "dead"
	PhaseWaiting RecoveryPhase = "waiting"
	PhaseMissed  RecoveryPhase = "missed"
)

// RecoveryCounts are deliveries, by what they were before.
type RecoveryCounts struct {
	Dead    int `json:"dead" doc:"dead letters"`
	Waiting int `json:"waiting" doc:"deliveries that wait for their next attempt"`
	Missed  int `json:"missed" doc:"events that match and left no trace for the endpoint"`
}

func (c *RecoveryCounts) add(p RecoveryPhase, n int) {
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

	revision uint64
}

// recoveryPlace is where a recovery stands: all before it is done.
type recoveryPlace struct {
	Leg  int    `json:"leg"`
	Next uint64 `json:"next,omitempty"` // sequence to go on from; 0: the leg has not begun
	End  uint64 `json:"end,omitempty"`  // last sequence of the leg
}

// Errors of recoveries. Test with errors.Is.
var (
	// ErrNoRecovery means that there is no recovery with this id.
	ErrNoRecovery = errors.New("no such recovery")
	// ErrTooMuch means that a recovery would have to remember more deliveries than it may.
	ErrTooMuch = errors.New("too many deliveries in this time")
)

// RecoveringError means that the endpoint has a recovery that is running.
type RecoveringError struct{ ID string }

// Error names the recovery.
func (e *RecoveringError) Error() string { return "recovery " + e.ID + " of this endpoint is running" }

// Recoveries starts recoveries and tells of them; the engines of all processes do the work.
type Recoveries struct{ bus *publish.Bus }

// NewRecoveries returns the recoveries that lie on bus.
func NewRecoveries(bus *publish.Bus) *Recoveries { return &Recoveries{bus} }

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
		ID: "rec_" + strings.ToLower(rand.Text()[:20]), Endpoint: ep.ID, Since: since, Until: until.UTC(), Missing: missing,
		State: RecoveryRunning, Phase: PhaseDead, Started: now,
	}
}

// Start begins a recovery. The error is a RecoveringError while the endpoint has another one.
func (r *Recoveries) Start(ctx context.Context, ep *endpoint.Endpoint, since, until time.Time, missing bool) (Recovery, error) {
	rec := newRecovery(ep, since, until, missing)
	if err := r.checkAlone(ctx, &rec); err != nil {
		return Recovery{}, err
	}
	data, err := json.Marshal(recoveryJob{Recovery: rec})
	if err != nil {
		return Recovery{}, fmt.Errorf("encoding recovery %s: %w", rec.ID, err)
	}
	if _, err := r.bus.Recoveries().Create(ctx, rec.ID, data); err != nil {
		return Recovery{}, fmt.Errorf("%w: storing a recovery: %w", publish.ErrUnavailable, err)
	}
	// Of two that were started at once, each sees the other now, and the later one gives way.
	if err := r.checkAlone(ctx, &rec); err != nil {
		if cancelErr := r.bus.Recoveries().Purge(ctx, rec.ID); cancelErr != nil {
			return Recovery{}, fmt.Errorf("%w: removing a recovery: %w", publish.ErrUnavailable, cancelErr)
		}
		return Recovery{}, err
	}
	return rec, nil
}

func (r *Recoveries) checkAlone(ctx context.Context, rec *Recovery) error {
	all, err := r.List(ctx)
	if err != nil {
		return err
	}
	for _, other := range all {
		earlier := other.Started.Before(rec.Started) || other.Started.Equal(rec.Started) && other.ID < rec.ID
		if other.Endpoint == rec.Endpoint && other.State == RecoveryRunning && other.ID != rec.ID && earlier {
			return &RecoveringError{ID: other.ID}
		}
	}
	return nil
}

// List returns all recoveries, the newest first. Those that ended are kept for 7 days.
func (r *Recoveries) List(ctx context.Context) ([]Recovery, error) {
	jobs, err := r.jobs(ctx)
	all := make([]Recovery, len(jobs))
	for i := range jobs {
		all[i] = jobs[i].Recovery
	}
	return all, err
}

func (r *Recoveries) jobs(ctx context.Context) (jobs []recoveryJob, err error) {
	w, err := r.bus.Recoveries().WatchAll(ctx, jetstream.IgnoreDeletes())
	if err != nil {
		return nil, fmt.Errorf("%w: listing recoveries: %w", publish.ErrUnavailable, err)
	}
	defer w.Stop()
	for {
		select {
		case entry, ok := <-w.Updates():
			if !ok {
				return nil, fmt.Errorf("%w: listing recoveries: the watch ended", publish.ErrUnavailable)
			}
			if entry == nil { // that was all
				slices.SortFunc(jobs, func(a, b recoveryJob) int { return b.Started.Compare(a.Started) })
				return jobs, nil
			}
			job, err := decodeRecovery(entry)
			if err != nil {
				return nil, err
			}
			jobs = append(jobs, job)
		case <-ctx.Done():
			return nil, fmt.Errorf("listing recoveries: %w", ctx.Err())
		}
	}
}

func decodeRecovery(entry jetstream.KeyValueEntry) (job recoveryJob, err error) {
	if err := json.Unmarshal(entry.Value(), &job); err != nil {
		return job, fmt.Errorf("decoding recovery %s: %w", entry.Key(), err)
	}
	job.revision = entry.Revision()
	return job, nil
}

// Get returns a recovery as it stands.
func (r *Recoveries) Get(ctx context.Context, id string) (Recovery, error) {
	job, err := r.job(ctx, id)
	return job.Recovery, err
}

func (r *Recoveries) job(ctx context.Context, id string) (recoveryJob, error) {
	entry, err := r.bus.Recoveries().Get(ctx, id)
	if errors.Is(err, jetstream.ErrKeyNotFound) || errors.Is(err, jetstream.ErrInvalidKey) {
		return recoveryJob{}, ErrNoRecovery
	}
	if err != nil {
		return recoveryJob{}, fmt.Errorf("%w: reading recovery %s: %w", publish.ErrUnavailable, id, err)
	}
	return decodeRecovery(entry)
}

// Cancel ends a recovery. What it made due stays so. One that has ended stays as it is.
func (r *Recoveries) Cancel(ctx context.Context, id string) (Recovery, error) {
	for {
		job, err := r.job(ctx, id)
		if err != nil || job.State != RecoveryRunning {
			return job.Recovery, err
		}
		job.end(RecoveryCancelled, "")
		switch err := r.save(ctx, &job); {
		case err == nil:
			return job.Recovery, nil
		case !errors.Is(err, publish.ErrConflict): // else it has just moved on
			return Recovery{}, err
		}
	}
}

func (job *recoveryJob) end(state RecoveryState, reason string) {
	job.State, job.Error, job.Finished, job.Owner, job.Lease = state, reason, time.Now().UTC(), "", time.Time{}
}

// save stores the job, provided that nobody else has since it was read: ErrConflict.
func (r *Recoveries) save(ctx context.Context, job *recoveryJob) error {
	data, err := json.Marshal(job)
	if err != nil {
		return fmt.Errorf("encoding recovery %s: %w", job.ID, err)
	}
	revision, err := r.bus.Recoveries().Update(ctx, job.ID, data, job.revision)
	switch {
	case errors.Is(err, jetstream.ErrKeyRevisionMismatch):
		return fmt.Errorf("storing recovery %s: %w", job.ID, publish.ErrConflict)
	case err != nil:
		return fmt.Errorf("%w: storing recovery %s: %w", publish.ErrUnavailable, job.ID, err)
	}
	job.revision = revision
	return nil
}
