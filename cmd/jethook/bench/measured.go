package bench

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// measured is the Jethook that a run measures.
type measured struct {
	own   *jethook // nil: one that runs already
	api   API
	nats  string
	ended <-chan struct{} // closed when it has ended; nil: it is not ours to know
}

func (r *deliverRun) open(ctx context.Context) (*measured, error) {
	if r.Admin != "" {
		return &measured{api: r.tools.API(r.Admin, r.Token), nats: r.NATS}, nil
	}
	j, err := startJethook(ctx, "serve", "JETHOOK_SYNC="+r.Sync.String(), "JETHOOK_ALLOWED_NETWORKS=127.0.0.0/8")
	if err != nil {
		return nil, err
	}
	return &measured{own: j, api: r.tools.API(j.admin, j.token), nats: "nats://" + j.nats, ended: j.ended}, nil
}

func (m *measured) close() {
	if m.own != nil {
		m.own.close()
	}
}

func (m *measured) failure(err error) error {
	if m.own != nil {
		return m.own.failure(err)
	}
	return err
}

// cpu is the processor time that the Jethook has used; nil when that can't be told.
func (m *measured) cpu() *time.Duration {
	if m.own == nil {
		return nil
	}
	if d, ok := cpuTime(m.own.cmd.Process.Pid); ok {
		return &d
	}
	return nil
}

// memory is the most that the Jethook ever held; nil when that can't be told.
func (m *measured) memory() *int64 {
	if m.own == nil {
		return nil
	}
	if n, ok := peakMemory(m.own.cmd.Process.Pid); ok {
		return &n
	}
	return nil
}

// waiting is the stream of the deliveries that wait for their time.
const waiting = "DELIVERIES"

// waits is how many messages were written so that deliveries wait for their time: for a delivery that is made at the first
// attempt it is none. It is nil when that can't be told.
func (m *measured) waits(ctx context.Context) (*int64, error) {
	if m.own == nil {
		return nil, nil
	}
	conn, err := nats.Connect(m.nats, nats.Name("jethook bench"), nats.Token(m.own.token))
	if err != nil {
		return nil, fmt.Errorf("connecting to NATS: %w", err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, fmt.Errorf("connecting to JetStream: %w", err)
	}
	stream, err := js.Stream(ctx, waiting)
	if err != nil {
		return nil, fmt.Errorf("counting what waits: %w", err)
	}
	n := int64(stream.CachedInfo().State.LastSeq)
	return &n, nil
}

// diskWatch looks how large a store becomes.
type diskWatch struct {
	stop func() *int64 // ends it, and returns the most bytes that the store held; nil when that can't be told
}

// diskEvery is how often the store is looked at: it is made of few files.
const diskEvery = 500 * time.Millisecond

// watchDisk looks at the store until it is stopped.
func (m *measured) watchDisk() diskWatch {
	if m.own == nil {
		return diskWatch{func() *int64 { return nil }}
	}
	peak, quit, done := int64(0), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(diskEvery)
		defer tick.Stop()
		for {
			peak = max(peak, m.own.stored())
			select {
			case <-tick.C:
			case <-quit:
				peak = max(peak, m.own.stored())
				return
			}
		}
	}()
	return diskWatch{sync.OnceValue(func() *int64 {
		close(quit)
		<-done
		return &peak
	})}
}
