package recovery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
	"golang.org/x/sync/errgroup"

	"jethook/consume/cursor"
	"jethook/consume/endpoint"
	"jethook/consume/registry"
	"jethook/publish"
	"jethook/publish/failure"
	"jethook/publish/query"
	"jethook/publish/report"
	"jethook/publish/seal"
	"jethook/publish/topology"
)

const (
	// lookForRecoveries is how often a process looks whether there is a recovery to work on.
	lookForRecoveries = 500 * time.Millisecond
	// recoveriesAtOnce is how many recoveries one process works on.
	recoveriesAtOnce = 4
	// recoveryLease is how long a recovery stays with a process that says nothing, and renewLease how often one that
	// waits renews it. The clocks of the machines may differ by less than the one.
	recoveryLease = 5 * time.Second
	renewLease    = recoveryLease / 3
	// mostDue is how many deliveries of an endpoint may be due for a recovery to add more.
	mostDue = 1000
	// recoveryPause is the pause before the endpoint is asked again whether it takes more, or the bus after a fault.
	recoveryPause = 100 * time.Millisecond
	// probePause is the pause between the deliveries that a recovery adds for an endpoint whose circuit is open.
	probePause = time.Second
)

// Circuits tells whether this process has opened an endpoint's circuit.
type Circuits interface {
	IsOpen(endpoint string) bool
}

// Worker works on recoveries in this process.
type Worker struct {
	bus       *publish.Bus
	endpoints *registry.Registry
	cursors   *cursor.Table
	circuits  Circuits
	log       *slog.Logger
	bad       *seal.BadRecords

	jobs  *Recoveries
	owner string

	mu      sync.Mutex // guards running
	running map[string]bool
}

// NewWorker returns a worker on the recoveries that lie on bus. The table is run by its owner.
func NewWorker(bus *publish.Bus, endpoints *registry.Registry, cursors *cursor.Table, circuits Circuits, log *slog.Logger) *Worker {
	return &Worker{
		bus: bus, endpoints: endpoints, cursors: cursors, circuits: circuits, log: log,
		bad:  seal.NewBadRecords(topology.BucketRecoveries, log),
		jobs: New(bus), owner: nuid.Next(), running: make(map[string]bool),
	}
}

// Unreadable names the recoveries that can't be read, and tells how many there are.
func (r *Worker) Unreadable() ([]report.Unreadable, int) { return r.bad.Report(), r.bad.Len() }

// Run works on the recoveries that nobody works on, until ctx ends.
func (r *Worker) Run(ctx context.Context) error {
	var workers errgroup.Group
	workers.SetLimit(recoveriesAtOnce)
	t := time.NewTicker(lookForRecoveries)
	defer t.Stop()
	var seen uint64 // the bucket as it was when nothing in it was running
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return workers.Wait()
		}
		last, err := r.lastChange(ctx)
		if err != nil || last == seen {
			continue
		}
		jobs, bad, err := r.jobs.jobs(ctx)
		if err != nil {
			if ctx.Err() == nil {
				r.log.Debug("cannot look for recoveries", "error", err)
			}
			continue
		}
		r.note(bad)
		if !r.begin(ctx, &workers, jobs) {
			seen = last
		}
	}
}

// note notes the recoveries that can't be read.
func (r *Worker) note(bad map[string]error) {
	r.bad.Keep(func(key string) bool { return bad[key] != nil })
	for key, err := range bad {
		r.bad.Note(key, err)
	}
}

// lastChange tells the bucket's last sequence, which is cheaper than reading it.
func (r *Worker) lastChange(ctx context.Context) (uint64, error) {
	status, err := r.bus.Buckets().Recoveries.Status(ctx)
	if err != nil {
		return 0, err
	}
	if s, ok := status.(*jetstream.KeyValueBucketStatus); ok {
		return s.StreamInfo().State.LastSeq, nil
	}
	return 0, errors.New("the bucket does not say what it is")
}

// begin takes the jobs that nobody works on, and reports whether any is running, here or elsewhere.
func (r *Worker) begin(ctx context.Context, workers *errgroup.Group, jobs []recoveryJob) (running bool) {
	for i := range jobs {
		job := jobs[i]
		if job.State != Running {
			continue
		}
		running = true
		if time.Now().Before(job.Lease) || !r.claim(job.ID) {
			continue
		}
		if !workers.TryGo(func() error {
			defer r.release(job.ID)
			r.work(ctx, &job)
			return nil
		}) {
			r.release(job.ID)
		}
	}
	return running
}

func (r *Worker) claim(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running[id] {
		return false
	}
	r.running[id] = true
	return true
}

func (r *Worker) release(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.running, id)
}

// work does a job to its end, or until ctx ends or somebody else has it. A fault of the bus is waited out.
func (r *Worker) work(ctx context.Context, job *recoveryJob) {
	if err := r.keep(ctx, job); err != nil {
		return
	}
	r.log.Info("recovering an endpoint", "recovery", job.ID, "endpoint", job.Endpoint)
	var s *redeliverer
	for ctx.Err() == nil {
		ended, err := r.advance(ctx, job, &s)
		if err == nil && !ended {
			continue
		}
		switch {
		case errors.Is(err, failure.ErrConflict): // cancelled, or another process has taken it
			return
		case errors.Is(err, ErrTooMuch):
			job.end(Failed, err.Error())
		case errors.Is(err, registry.ErrNotFound):
			job.end(Cancelled, "the endpoint is removed")
		case errors.Is(err, seal.ErrUnreadable):
			job.end(Failed, "the endpoint's stored record can't be read")
		case err != nil:
			r.log.Debug("recovery: retrying", "recovery", job.ID, "error", err)
			sleep(ctx, renewLease/4)
			continue
		default:
			job.end(Done, "")
		}
		if err := r.jobs.save(ctx, job); err == nil || errors.Is(err, failure.ErrConflict) {
			r.log.Info("recovery ended", "recovery", job.ID, "endpoint", job.Endpoint, "state", job.State, "reason", job.Error,
				"dead", job.Counts.Dead, "waiting", job.Counts.Waiting, "missed", job.Counts.Missed)
			return
		}
		job.State = Running // it could not be stored: what was left is found done
	}
	r.handOver(ctx, job)
}

// handOver gives up a job when the process stops, so that another one need not wait for the lease.
func (r *Worker) handOver(ctx context.Context, job *recoveryJob) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	job.Owner, job.Lease = "", time.Time{}
	if err := r.jobs.save(ctx, job); err != nil && !errors.Is(err, failure.ErrConflict) {
		r.log.Debug("cannot hand over a recovery", "recovery", job.ID, "error", err)
	}
}

// keep stores where the job stands, and that it stays here for a while.
func (r *Worker) keep(ctx context.Context, job *recoveryJob) error {
	job.Owner, job.Lease = r.owner, time.Now().Add(recoveryLease).UTC()
	return r.jobs.save(ctx, job)
}

// advance does one portion of the job, and reports whether that was the last. The place is stored after the portion is
// done: after a crash that portion is done again, which finds what is left of it.
func (r *Worker) advance(ctx context.Context, job *recoveryJob, s **redeliverer) (ended bool, err error) {
	room, err := r.awaitRoom(ctx, job)
	if err != nil {
		return false, err
	}
	ep, err := r.endpoint(ctx, job.Endpoint)
	if err != nil {
		return false, err
	}
	if *s == nil {
		*s = &redeliverer{bus: r.bus, cursors: r.cursors, rec: &job.Recovery}
	}
	(*s).ep = ep
	scans := (*s).scans()
	if job.Place.Scan >= len(scans) {
		return true, nil
	}
	l := scans[job.Place.Scan]
	job.Phase = l.phase
	if l.phase == PhaseMissed && (*s).traces == nil {
		if err := r.awaitSettled(ctx, job, *s, scans); err != nil {
			return false, err
		}
	}
	if job.Place.Next == 0 {
		if job.Place.Next, job.Place.End, err = (*s).span(ctx, l); err != nil {
			return false, err
		}
	}
	if job.Place.Next == 0 || job.Place.Next > job.Place.End {
		job.Place = recoveryPlace{Scan: job.Place.Scan + 1}
		return false, r.keep(ctx, job)
	}
	return false, r.movePortion(ctx, job, l, room)
}

// movePortion redelivers what is chosen of the next messages of a scan, if there is room for it. Where nothing is chosen,
// none is needed: what waits for an endpoint that keeps failing does not keep its recovery.
func (r *Worker) movePortion(ctx context.Context, job *recoveryJob, l scan, room int) error {
	page, next, err := r.bus.Query().Forward(ctx, l.selection, job.Place.Next, batch)
	if err != nil {
		return fmt.Errorf("reading what there is to recover: %w", err)
	}
	page = upTo(page, job.Place.End)
	chosen, err := l.choose(ctx, page)
	for err == nil && len(chosen) > max(room, 1) {
		page = page[:len(page)/2]
		next = page[len(page)-1].Seq + 1
		chosen, err = l.choose(ctx, page)
	}
	if err != nil {
		return err
	}
	if len(chosen) > room {
		sleep(ctx, probePause)
		return r.keep(ctx, job)
	}
	n, err := l.move(ctx, chosen)
	job.Counts.add(l.phase, n)
	if err != nil {
		return err
	}
	if job.Place.Next = next; next == 0 {
		job.Place.Next = job.Place.End + 1
	}
	if n > 0 && r.circuits.IsOpen(job.Endpoint) {
		sleep(ctx, probePause)
	}
	return r.keep(ctx, job)
}

// endpoint returns the endpoint of a job, which this process may not have heard of yet.
func (r *Worker) endpoint(ctx context.Context, id string) (*endpoint.Endpoint, error) {
	if ep, ok := r.endpoints.Lookup(id); ok {
		return ep, nil
	}
	ep, err := r.endpoints.Get(ctx, id)
	return &ep, err
}

// awaitRoom waits until the endpoint takes more, and returns how many: its lane sets the pace. One that is disabled takes
// nothing, and one whose circuit is open one at a time, or none while something is due to it.
func (r *Worker) awaitRoom(ctx context.Context, job *recoveryJob) (int, error) {
	for renewed := time.Now(); ; {
		ep, err := r.endpoint(ctx, job.Endpoint)
		if err != nil {
			return 0, err
		}
		due, err := r.dueTo(ctx, job.Endpoint)
		if err != nil {
			return 0, err
		}
		open := r.circuits.IsOpen(job.Endpoint)
		switch {
		case ep.Disabled:
		case open:
			return max(0, 1-due), ctx.Err()
		case due < mostDue:
			return mostDue - due, nil
		}
		if time.Since(renewed) > renewLease {
			renewed = time.Now()
			if err := r.keep(ctx, job); err != nil {
				return 0, err
			}
		}
		if sleep(ctx, recoveryPause); ctx.Err() != nil {
			return 0, ctx.Err()
		}
	}
}

// dueTo counts what is due to an endpoint. It is asked ten times a second, and a subject list of a crowd is megabytes.
func (r *Worker) dueTo(ctx context.Context, id string) (due int, err error) {
	selections := []query.Selection{query.Due(id), query.Turns(id)}
	err = r.bus.Query().PeekEach(ctx, selections, func(_ int, p query.Count) { due += int(p.Total) })
	return due, err
}

// awaitSettled waits until every event that the endpoint may have missed has its outcome for it, if it wanted it: what
// has none yet is not missed.
func (r *Worker) awaitSettled(ctx context.Context, job *recoveryJob, s *redeliverer, scans []scan) error {
	renewed := time.Now()
	for _, l := range scans {
		if l.phase != PhaseMissed || s.ep.Ordered {
			continue
		}
		_, end, err := s.span(ctx, l)
		for end != 0 && err == nil {
			var settled uint64
			if settled, err = r.bus.Queues().Settled(ctx, l.stream); err != nil || settled >= end {
				break
			}
			if sleep(ctx, recoveryPause); ctx.Err() != nil {
				return ctx.Err()
			}
			if time.Since(renewed) > renewLease {
				renewed = time.Now()
				err = r.keep(ctx, job)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
