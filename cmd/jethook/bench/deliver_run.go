package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// deliverRun is a run of [Deliver].
type deliverRun struct {
	*DeliverOptions
	tools    Tools
	receiver *receiver
	body     []byte
}

// posts measures what the machine can post at the most.
func (r *deliverRun) posts(ctx context.Context) (float64, error) {
	most := max(fewestPosts, int64(r.Events)*int64(r.Endpoints))
	stop := watch(r.tools.Progress, func() string { return "bare posts" })
	defer stop()
	return barePosts(ctx, r.receiver.url(), string(r.body), postConnections, postTime, most)
}

// run delivers all events to new endpoints of these kinds.
func (r *deliverRun) run(ctx context.Context, name string, kinds []kind) (f *DeliverFigures, err error) {
	t := newTally(r.Events, kinds, r.SlowFor)
	r.receiver.tally.Store(t)
	m, err := r.open(ctx)
	if err != nil {
		return nil, err
	}
	defer m.close()
	defer t.release() // before the Jethook is stopped, which waits for what is in flight
	ids, err := r.createEndpoints(ctx, m, t)
	if m.own == nil {
		defer func() { err = errors.Join(err, removeEndpoints(ctx, m, ids)) }()
	}
	if err != nil {
		return nil, err
	}
	f = &DeliverFigures{}
	if err := r.deliver(ctx, m, t, name, f); err != nil {
		return nil, m.failure(err)
	}
	if m.own != nil {
		t.release()
		m.own.stop() // what is still in memory is written now
		perEvent := ratio(float64(m.own.stored()-m.own.empty), float64(r.Events))
		f.BytesPerEvent = &perEvent
	}
	f.count(t)
	return f, nil
}

// deliver publishes the events and waits for their arrival.
func (r *deliverRun) deliver(ctx context.Context, m *measured, t *tally, name string, f *DeliverFigures) error {
	p, err := newPublisher(m.nats, r.body)
	if err != nil {
		return err
	}
	defer p.close()
	if err := p.probe(ctx, t); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	start, cpu := time.Now(), m.cpu()
	published := make(chan error, 1)
	go func() {
		err := p.run(ctx, t, r.Rate, r.batch())
		f.PublishedPerSecond = perSecond(int64(r.Events), time.Since(start))
		published <- err
	}()
	disk := m.watchDisk()
	defer disk.stop()
	stop := watch(r.tools.Progress, func() string {
		n := t.arrived.Load()
		return fmt.Sprintf("%s: %d of %d, %.0f/s", name, n, t.want, perSecond(n, time.Since(start)))
	})
	defer stop()
	if err := r.await(ctx, m, t, published); err != nil {
		return err
	}
	if after := m.cpu(); cpu != nil && after != nil {
		perDelivery := ratio(ms(*after-*cpu), float64(t.arrived.Load()))
		f.CPUPerDelivery = &perDelivery
	}
	f.PeakMemory, f.PeakDisk = m.memory(), disk.stop()
	f.Waits, err = m.waits(ctx)
	return err
}

// errEnded means that the Jethook ended although it was not told to.
var errEnded = errors.New("the Jethook that is measured has ended")

// await returns when everything has arrived at the healthy endpoints, or nothing has for too long.
func (r *deliverRun) await(ctx context.Context, m *measured, t *tally, published <-chan error) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	complete := t.complete
	arrived, moved := int64(0), time.Now()
	for published != nil || complete != nil {
		select {
		case err := <-published:
			if err != nil {
				return err
			}
			published, moved = nil, time.Now()
		case <-complete:
			complete = nil
		case <-tick.C:
			if n := t.arrived.Load(); n != arrived {
				arrived, moved = n, time.Now()
			}
			if published == nil && time.Since(moved) > r.Timeout {
				return nil
			}
		case <-m.ended:
			return errEnded
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// count fills in what the receiver counted.
func (f *DeliverFigures) count(t *tally) {
	f.Healthy, f.Expected, f.Arrived = int(t.healthy()), t.want, t.arrived.Load()
	f.Lost, f.Duplicated, f.BadRequests = t.want-f.Arrived, t.repeated.Load(), t.bad.Load()
	f.Latency = latencyOf(t.latency())
	if tail, ok := t.tail(); ok {
		f.Tail = &tail
	}
	f.DeliveriesPerSecond = perSecond(f.Arrived, time.Duration(t.last.Load()-t.published[0].Load()))
}

// createEndpoints makes an endpoint for each that is counted. On an error too it returns those that it made.
func (r *deliverRun) createEndpoints(ctx context.Context, m *measured, t *tally) (ids []string, err error) {
	stop := watch(r.tools.Progress, func() string { return "making endpoints" })
	defer stop()
	base := r.receiver.url()
	if r.ReceiverURL != "" {
		base = strings.TrimRight(r.ReceiverURL, "/")
	}
	nowhere, err := refusingURL(base)
	if err != nil {
		return nil, err
	}
	for i := range t.endpoints {
		to := base
		if t.endpoints[i].kind == refusing {
			to = nowhere
		}
		answer, err := m.api(ctx, http.MethodPost, "/api/v1/endpoints", map[string]any{
			"name": fmt.Sprintf("bench %s %d", t.run, i), "url": fmt.Sprintf("%s/%s/%d", to, t.run, i), "events": []string{pattern},
		})
		if err != nil {
			return ids, fmt.Errorf("making endpoint %d of %d: %w", i+1, len(t.endpoints), err)
		}
		var made struct {
			ID string `json:"id"`
		}
		if err := json.Unmarshal(answer, &made); err != nil {
			return ids, fmt.Errorf("making an endpoint: %w", err)
		}
		ids = append(ids, made.ID)
	}
	return ids, nil
}

// refusingURL is one on the receiver's machine that takes no connection: nobody listens on the first port.
func refusingURL(receiver string) (string, error) {
	u, err := url.Parse(receiver)
	if err != nil {
		return "", fmt.Errorf("reading the receiver's address: %w", err)
	}
	return "http://" + net.JoinHostPort(u.Hostname(), "1"), nil
}

// leftError says which endpoints could not be removed from a Jethook that goes on running.
type leftError struct {
	ids   []string
	cause error
}

func (e *leftError) Error() string {
	return fmt.Sprintf("removing what the run made: %v; left are %s", e.cause, strings.Join(e.ids, " "))
}

func (e *leftError) Unwrap() error { return e.cause }

const removeTimeout = time.Minute

// removeEndpoints leaves a running Jethook as it was, also when the run was interrupted.
func removeEndpoints(ctx context.Context, m *measured, ids []string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeTimeout)
	defer cancel()
	var left leftError
	for _, id := range ids {
		if _, err := m.api(ctx, http.MethodDelete, "/api/v1/endpoints/"+id, nil); err != nil {
			left.ids, left.cause = append(left.ids, id), err
		}
	}
	if left.ids == nil {
		return nil
	}
	return &left
}
