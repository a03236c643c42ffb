package frame

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"jethook/consume/admin/access"
)

// Job is a change of many things that goes on while the operator does something else. It belongs to the process and not to
// the page: a reload, or another browser, sees how far it is. One that the end of the process cuts off can be begun anew: every
// job does only what is left to do.
type Job struct {
	id    string
	title string

	mu      sync.Mutex // guards what follows
	done    int
	skipped int
	skip    string // what became of those that were skipped
	total   int    // 0: not known
	more    bool
	err     string
	ended   time.Time
	stop    context.CancelFunc
}

// Add counts n things that are done, and skipped ones that needed nothing.
func (j *Job) Add(n, skipped int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.done += n
	j.skipped += skipped
}

// Skips says what became of those that are skipped, instead of "needed nothing".
func (j *Job) Skips(words string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.skip = words
}

// jobView is a job at one moment.
type jobView struct {
	ID, Title     string
	Done, Skipped int
	Skip          string
	Total         int
	More          bool // there are more than Total
	Running       bool
	Failed        string
}

// Percent is how far it is, of a known total.
func (v jobView) Percent() int { return min(100, (v.Done+v.Skipped)*100/max(1, v.Total)) }

const (
	maxJobs   = 4                // that run at once
	keepEnded = 15 * time.Minute // an ended job is shown for so long, unless it is put away
)

// jobs are those of this process.
type jobs struct {
	log *slog.Logger

	mu      sync.Mutex // guards what follows
	last    int
	all     []*Job
	ctx     context.Context // ends with Run; nil before
	running errgroup.Group
}

func newJobs(log *slog.Logger) *jobs { return &jobs{log: log} }

// run lets jobs begin until ctx ends, and waits for those that run.
func (j *jobs) run(ctx context.Context) error {
	j.mu.Lock()
	j.ctx = ctx
	j.mu.Unlock()
	<-ctx.Done()
	j.mu.Lock()
	defer j.mu.Unlock() // none begins any more
	return j.running.Wait()
}

// Start begins a job of who asked for it; false: the process stops, or has enough to do. total is 0 when it is not known, and more says that it is a
// lower bound.
func (f *Frame) Start(r *http.Request, title string, total int, more bool, work func(context.Context, *Job) error) bool {
	j := f.jobs
	j.mu.Lock()
	defer j.mu.Unlock()
	n := 0
	for _, other := range j.all {
		if other.endedAt().IsZero() {
			n++
		}
	}
	if j.ctx == nil || j.ctx.Err() != nil || n >= maxJobs {
		return false
	}
	ctx, stop := context.WithCancel(access.With(j.ctx, access.Of(r.Context())))
	j.last++
	begun := &Job{id: strconv.Itoa(j.last), title: title, total: total, more: more, stop: stop}
	j.all = append(j.all, begun)
	j.running.Go(func() error {
		defer stop()
		f.finish(begun, work(ctx, begun))
		return nil
	})
	return true
}

func (j *Job) endedAt() time.Time {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.ended
}

// finish notes the end of a job.
func (f *Frame) finish(j *Job, err error) {
	text := ""
	if err != nil {
		text = f.faultOf(err).Text
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ended, j.err = f.Now(), text
	f.Log.Info("job of the dashboard ended", "job", j.title, "done", j.done, "skipped", j.skipped, "failed", text)
}

// shown are the jobs to show, the newest first.
func (j *jobs) shown(now time.Time) (all []jobView) {
	j.mu.Lock()
	defer j.mu.Unlock()
	kept := j.all[:0]
	for _, one := range j.all {
		if ended := one.endedAt(); !ended.IsZero() && now.Sub(ended) > keepEnded {
			continue
		}
		kept = append(kept, one)
	}
	clear(j.all[len(kept):])
	j.all = kept
	for i := len(kept) - 1; i >= 0; i-- {
		one := kept[i]
		one.mu.Lock()
		all = append(all, jobView{
			ID: one.id, Title: one.title, Done: one.done, Skipped: one.skipped, Skip: cmp.Or(one.skip, "needed nothing"), Total: one.total, More: one.more,
			Running: one.ended.IsZero(), Failed: one.err,
		})
		one.mu.Unlock()
	}
	return all
}

// putAway stops a job that runs, or hides one that has ended.
func (j *jobs) putAway(id string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	kept := j.all[:0]
	for _, one := range j.all {
		if one.id == id {
			one.stop()
			if !one.endedAt().IsZero() {
				continue
			}
		}
		kept = append(kept, one)
	}
	clear(j.all[len(kept):])
	j.all = kept
}

func (f *Frame) jobRoutes() {
	f.Page("GET /jobs", func(w http.ResponseWriter, r *http.Request) error {
		return f.RenderPart(w, r, "fault", "jobs", View{})
	})
	f.Operate("POST /jobs/{id}/stop", func(w http.ResponseWriter, r *http.Request) error {
		f.jobs.putAway(r.PathValue("id"))
		return f.SeeOther(w, r, LocalPath(r.PostForm.Get("back")), "")
	})
}
