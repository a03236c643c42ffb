package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"jethook/cmd/jethook/bench/load"
	"jethook/cmd/jethook/bench/server"
	"jethook/cmd/jethook/client"
	"jethook/config"
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
		InMemory: o.Admin == "" && server.InMemory(os.TempDir()),
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
	receiver := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.tally.Load().ServeHTTP(w, req)
	})}
	defer receiver.Close()
	go receiver.Serve(l) // until it is closed
	posts, err := load.Beside(func() (*load.Result, error) { return r.posts(ctx) }, func() error { return r.deliveries(ctx) })
	if err != nil {
		return nil, ended(ctx, err)
	}
	r.report.BarePostsPerSec = posts.Rate()
	r.report.compare()
	return r.report, r.report.lost()
}

// posts measures what the machine can post at the most, with net/http and nothing else.
func (r *deliverRun) posts(ctx context.Context) (*load.Result, error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: postConnections}}
	defer client.CloseIdleConnections()
	p := load.Phase{Name: "bare posts", Workers: postConnections, Limit: postTime, Most: max(fewestPosts, int64(r.Events)*int64(r.Endpoints))}
	body := string(r.body)
	p.Worker = func(ctx context.Context, _ int) func() error {
		return func() error { return post(ctx, client, r.receiver, body) }
	}
	result, err := p.Run(ctx, r.tools.Progress)
	if err == nil && result.Errors > 0 {
		err = fmt.Errorf("posting to the receiver: %w", result.FirstError)
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
	s := &server.Server{Admin: r.Admin, Token: r.Token, NATS: r.NATS}
	if r.Admin == "" {
		if s, err = server.Start(ctx, "serve", "JETHOOK_SYNC="+r.Sync.String(), "JETHOOK_ALLOWED_NETWORKS=127.0.0.0/8"); err != nil {
			return nil, err
		}
	}
	defer s.Close()
	defer t.release() // before the Jethook is stopped, which waits for what is in flight
	api := client.At(s.Admin, config.NewSecret(s.Token))
	ids, err := r.createEndpoints(ctx, api, t)
	if !s.IsChild() {
		defer func() { err = errors.Join(ended(ctx, err), removeEndpoints(ctx, api, ids)) }()
	}
	if err != nil {
		return nil, err
	}
	if f, err = r.deliver(ctx, name, t, s); err != nil {
		return nil, s.Failure(err)
	}
	if s.IsChild() {
		t.release()
		s.Stop() // what is still in memory is written now
		f.BytesPerEvent = new(load.Ratio(float64(s.Grown()), float64(r.Events)))
	}
	return f, nil
}

// deliver publishes the events, waits for their arrival, and returns what that took.
func (r *deliverRun) deliver(ctx context.Context, name string, t *tally, s *server.Server) (*DeliverFigures, error) {
	p, err := newPublisher(s, r.body)
	if err != nil {
		return nil, err
	}
	defer p.conn.Close()
	if err := p.probe(ctx, t); err != nil {
		return nil, err
	}
	start, before := time.Now(), s.Usage()
	defer load.Watch(r.tools.Progress, func() string {
		n := t.count()
		return fmt.Sprintf("%s: %d of %d, %.0f/s", name, n, t.want, load.PerSecond(n, time.Since(start)))
	})()
	took, disk, err := r.await(ctx, p, t, s)
	if err != nil {
		return nil, err
	}
	f, after := t.figures(), s.Usage()
	f.PublishedPerSecond, f.PeakMemory = load.PerSecond(int64(r.Events), took), after.PeakMemory
	if before.CPU != nil && after.CPU != nil {
		f.CPUPerDelivery = new(load.Ratio(load.Milliseconds(*after.CPU-*before.CPU), float64(f.Arrived)))
	}
	if s.IsChild() {
		f.PeakDisk = &disk
		f.Waits, err = p.waits(ctx)
	}
	return f, err
}

// errEnded means that the Jethook ended although it was not told to.
var errEnded = errors.New("the Jethook that is measured has ended")

// await publishes the events and returns when everything has arrived at the healthy endpoints, or nothing has for too long. It
// tells how long publishing took, and how large the store of a Jethook of our own became.
func (r *deliverRun) await(ctx context.Context, p *publisher, t *tally, s *server.Server) (took time.Duration, disk int64, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	start, publishing := time.Now(), make(chan error, 1)
	go func() { publishing <- p.run(ctx, t, r.Rate, r.batch()) }()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	complete, arrived, moved := t.complete, int64(0), time.Now()
	for n := 0; publishing != nil || complete != nil; n++ {
		select {
		case err := <-publishing:
			if err != nil {
				return 0, 0, err
			}
			publishing, moved, took = nil, time.Now(), time.Since(start)
		case <-complete:
			complete = nil
		case <-tick.C:
			if now := t.count(); now != arrived {
				arrived, moved = now, time.Now()
			}
			if publishing == nil && time.Since(moved) > r.Timeout {
				return took, max(disk, s.Stored()), nil
			}
			if n%5 == 0 { // the store is made of few files
				disk = max(disk, s.Stored())
			}
		case <-s.Ended():
			return 0, 0, errEnded
		case <-ctx.Done():
			return 0, 0, ctx.Err()
		}
	}
	return took, max(disk, s.Stored()), nil
}

// createEndpoints makes an endpoint for each that is counted. On an error too it returns those that it made.
func (r *deliverRun) createEndpoints(ctx context.Context, api *client.Client, t *tally) (ids []string, err error) {
	defer load.Watch(r.tools.Progress, func() string { return "making endpoints" })()
	base := r.receiver
	if r.ReceiverURL != "" {
		base = strings.TrimRight(r.ReceiverURL, "/")
	}
	u, err := url.Parse(base)
	if err != nil {
		return nil, fmt.Errorf("reading the receiver's address: %w", err)
	}
	for i, k := range t.kinds {
		to := base
		if k == refusing { // nobody listens on the first port of the receiver's machine
			to = "http://" + net.JoinHostPort(u.Hostname(), "1")
		}
		var made struct {
			ID string `json:"id"`
		}
		_, err := api.Ask(ctx, http.MethodPost, client.EndpointsPath, map[string]any{
			"name": fmt.Sprintf("bench %s %d", t.run, i), "url": fmt.Sprintf("%s/%s/%d", to, t.run, i), "events": []string{pattern},
		}, &made)
		if err != nil {
			return ids, fmt.Errorf("making endpoint %d of %d: %w", i+1, len(t.kinds), err)
		}
		ids = append(ids, made.ID)
	}
	return ids, nil
}

const removeTimeout = time.Minute

// removeEndpoints leaves a running Jethook as it was, also when the run was interrupted.
func removeEndpoints(ctx context.Context, api *client.Client, ids []string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeTimeout)
	defer cancel()
	var left []string
	var cause error
	for _, id := range ids {
		if _, err := api.Do(ctx, http.MethodDelete, client.EndpointPath(id), nil); err != nil {
			left, cause = append(left, id), err
		}
	}
	if left == nil {
		return nil
	}
	return fmt.Errorf("removing what the run made: %w; left are %s", cause, strings.Join(left, " "))
}
