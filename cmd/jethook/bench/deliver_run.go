package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

const (
	postConnections = 64
	postTime        = 2 * time.Second
	fewestPosts     = 5000
)

// deliverRun is a run of [DeliverOptions].
type deliverRun struct {
	*DeliverOptions
	tools    Tools
	receiver string // its URL, as this process reaches it
	tally    atomic.Pointer[tally]
	body     []byte
	report   *DeliverReport
}

// Run measures how fast events get from their publication to HTTP endpoints, and holds it against a client that only posts
// the same bodies. Bad endpoints are measured beside the same load without them. It returns [ErrLost] and the report if an
// event did not arrive.
func (o *DeliverOptions) Run(ctx context.Context, t Tools) (Report, error) {
	r := &deliverRun{DeliverOptions: o, tools: t, body: payload(int(o.Body)), report: &DeliverReport{
		Bench: "deliver", Machine: t.machine(), Mode: "serve", Sync: o.Sync.String(), Events: o.Events, Slow: o.number(o.Slow),
		SlowFor: o.SlowFor.Seconds(), Failing: o.number(o.Failing), Refusing: o.number(o.Refusing), BodyBytes: int64(o.Body), Rate: o.Rate, Batch: o.batch(),
		InMemory: o.Admin == "" && inMemory(os.TempDir()),
	}}
	if o.Admin != "" {
		r.report.Mode, r.report.Sync = "remote", ""
	}
	l, err := net.Listen("tcp", o.ReceiverListen)
	if err != nil {
		return nil, fmt.Errorf("starting the receiver: %w", err)
	}
	r.receiver = "http://" + l.Addr().String()
	r.tally.Store(newTally(0, nil, 0)) // it takes and forgets everything
	server := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.tally.Load().ServeHTTP(w, req)
	})}
	defer server.Close()
	go server.Serve(l) // until it is closed
	posts, err := beside(func() (*result, error) { return r.posts(ctx) }, func() error { return r.deliveries(ctx) })
	if err != nil {
		return nil, ended(ctx, err)
	}
	r.report.BarePostsPerSec = posts.rate()
	r.report.compare()
	return r.report, r.report.lost()
}

// posts measures what the machine can post at the most, with net/http and nothing else.
func (r *deliverRun) posts(ctx context.Context) (*result, error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: postConnections}}
	defer client.CloseIdleConnections()
	p := phase{name: "bare posts", workers: postConnections, limit: postTime, most: max(fewestPosts, int64(r.Events)*int64(r.Endpoints))}
	body := string(r.body)
	p.worker = func(ctx context.Context, _ int) (func() error, func()) {
		return func() error { return post(ctx, client, r.receiver, body) }, func() {}
	}
	result, err := p.run(ctx, r.tools.Progress)
	if err == nil && result.errors > 0 {
		err = fmt.Errorf("posting to the receiver: %w", result.firstError)
	}
	return result, err
}

func post(ctx context.Context, client *http.Client, url, body string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	_, err = io.Copy(io.Discard, res.Body)
	return err
}

// deliveries measures the deliveries, with bad endpoints also without them.
func (r *deliverRun) deliveries(ctx context.Context) (err error) {
	if r.report.bad() > 0 {
		if r.report.Baseline, err = r.run(ctx, "baseline", r.kinds(false)); err != nil {
			return err
		}
	}
	figures, err := r.run(ctx, "deliveries", r.kinds(true))
	if err == nil {
		r.report.Jethook = *figures
	}
	return err
}

// run delivers all events to new endpoints of these kinds.
func (r *deliverRun) run(ctx context.Context, name string, kinds []kind) (f *DeliverFigures, err error) {
	t := newTally(r.Events, kinds, r.SlowFor)
	r.tally.Store(t)
	var c *child // nil: a Jethook that runs already
	admin, token, nats := r.Admin, r.Token, r.NATS
	if r.Admin == "" {
		if c, err = startJethook(ctx, "serve", "JETHOOK_SYNC="+r.Sync.String(), "JETHOOK_ALLOWED_NETWORKS=127.0.0.0/8"); err != nil {
			return nil, err
		}
		defer c.close()
		admin, token, nats = c.admin, c.token, "nats://"+c.nats
	}
	defer t.release() // before the Jethook is stopped, which waits for what is in flight
	api := r.tools.API(admin, token)
	ids, err := r.createEndpoints(ctx, api, t)
	if c == nil {
		defer func() { err = errors.Join(ended(ctx, err), removeEndpoints(ctx, api, ids)) }()
	}
	if err != nil {
		return nil, err
	}
	if f, err = r.deliver(ctx, name, t, nats, c); err != nil {
		return nil, c.failure(err)
	}
	if c != nil {
		t.release()
		c.stop() // what is still in memory is written now
		perEvent := ratio(float64(c.stored()-c.empty), float64(r.Events))
		f.BytesPerEvent = &perEvent
	}
	return f, nil
}

// deliver publishes the events and waits for their arrival.
func (r *deliverRun) deliver(ctx context.Context, name string, t *tally, nats string, c *child) (*DeliverFigures, error) {
	p, err := newPublisher(nats, c, r.body)
	if err != nil {
		return nil, err
	}
	defer p.conn.Close()
	if err := p.probe(ctx, t); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	start, before := time.Now(), cpuTime(c.pid())
	var publishing error
	var took time.Duration
	published := make(chan struct{})
	go func() {
		defer close(published)
		publishing = p.run(ctx, t, r.Rate, r.batch())
		took = time.Since(start)
	}()
	defer func() { cancel(); <-published }()
	defer watch(r.tools.Progress, func() string {
		n := t.count()
		return fmt.Sprintf("%s: %d of %d, %.0f/s", name, n, t.want, perSecond(n, time.Since(start)))
	})()
	disk, err := r.await(ctx, c, t, published, &publishing)
	if err != nil {
		return nil, err
	}
	after := cpuTime(c.pid())
	f := t.figures()
	f.PublishedPerSecond, f.PeakMemory = perSecond(int64(r.Events), took), peakMemory(c.pid())
	if before != nil && after != nil {
		perDelivery := ratio(ms(*after-*before), float64(f.Arrived))
		f.CPUPerDelivery = &perDelivery
	}
	if c != nil {
		f.PeakDisk = &disk
		f.Waits, err = p.waits(ctx)
	}
	return f, err
}

// errEnded means that the Jethook ended although it was not told to.
var errEnded = errors.New("the Jethook that is measured has ended")

// diskEvery is how often the store is looked at: it is made of few files.
const diskEvery = 500 * time.Millisecond

// await returns when everything has arrived at the healthy endpoints, or nothing has for too long. It looks how large the
// store of a Jethook of our own becomes.
func (r *deliverRun) await(ctx context.Context, c *child, t *tally, published <-chan struct{}, publishing *error) (disk int64, err error) {
	var ended <-chan struct{}
	if c != nil {
		ended = c.ended
		defer func() { disk = max(disk, c.stored()) }()
	}
	tick, look := time.NewTicker(100*time.Millisecond), time.NewTicker(diskEvery)
	defer tick.Stop()
	defer look.Stop()
	complete := t.complete
	arrived, moved := int64(0), time.Now()
	for published != nil || complete != nil {
		select {
		case <-published:
			if *publishing != nil {
				return disk, *publishing
			}
			published, moved = nil, time.Now()
		case <-complete:
			complete = nil
		case <-tick.C:
			if n := t.count(); n != arrived {
				arrived, moved = n, time.Now()
			}
			if published == nil && time.Since(moved) > r.Timeout {
				return disk, nil
			}
		case <-look.C:
			if c != nil {
				disk = max(disk, c.stored())
			}
		case <-ended:
			return disk, errEnded
		case <-ctx.Done():
			return disk, ctx.Err()
		}
	}
	return disk, nil
}
