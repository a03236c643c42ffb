package move

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"jethook/publish/connection"
	"jethook/publish/failure"
	"jethook/publish/moving"
	"jethook/publish/outage"
	"jethook/publish/processes"
	"jethook/publish/stores"
	"jethook/publish/topology"
)

// forwarded are the streams that senders and services write to. The bodies that are stored aside go with their events.
var forwarded = []string{
	topology.StreamWebhooks, topology.StreamEvents, topology.StreamOps, topology.StreamRejected, bucketPrefix + topology.BucketSources,
}

// bucketPrefix begins the names of the streams that are buckets.
const bucketPrefix = "KV_"

const (
	// publishTime is how long the cluster may take to store an event.
	publishTime = 10 * time.Second
	// tellEvery is how often the progress is told.
	tellEvery = 5 * time.Second
	// retryPause is the pause after something failed.
	retryPause = time.Second
)

// follow forwards what comes until nobody serves the store and all is across. Then the store is marked as moved. It returns the
// store that was open last, which the caller closes.
func (m *mover) follow(ctx context.Context, store *stores.Store) (*stores.Store, error) {
	target, err := stores.OpenCluster(ctx, m.to, m.Log)
	if err != nil {
		return store, err
	}
	defer target.Close()
	js, err := asyncJetStream(target)
	if err != nil {
		return store, err
	}
	f := newForwarder(js, m.to, m.mark.Ends, m.Log)
	served := !store.Alone
	trouble := outage.Outage{Fails: "cannot forward; retrying", Works: "forwarding again"}
	for {
		js, err := connection.JetStream(store.Conn, store.Domain)
		if err != nil {
			return store, err
		}
		err = m.forward(ctx, f, js, store)
		switch {
		case ctx.Err() != nil:
			return store, fmt.Errorf("forwarding; run the same command again to go on: %w", ctx.Err())
		case err == nil:
			next := *m.mark
			next.Phase = moving.Moved
			if err := m.write(ctx, js, next); err != nil {
				return store, err
			}
			m.Progress("moved: %d messages were forwarded, and nothing starts from JETHOOK_DATA_DIR any more", f.count.Load())
			return store, nil
		case !errors.Is(err, errLost):
			trouble.Tell(m.Log, err)
			if err := pause(ctx, retryPause); err != nil {
				continue
			}
		}
		if store.Alone && !served { // nobody may come in between
			continue
		}
		store.Close()
		if store, err = m.reopen(ctx, target); err != nil {
			return store, err
		}
		if m.mark.Phase == moving.Moved {
			return store, nil
		}
	}
}

func asyncJetStream(s *stores.Store) (jetstream.JetStream, error) {
	if s.Domain == "" {
		return jetstream.New(s.Conn, jetstream.WithPublishAsyncTimeout(publishTime))
	}
	return jetstream.NewWithDomain(s.Conn, s.Domain, jetstream.WithPublishAsyncTimeout(publishTime))
}

// errLost means that the process that serves the store is gone, or its server was started anew.
var errLost = errors.New("the connection to jethook serve is lost")

// forward forwards until the connection is lost; or, if nobody else can write to the store, until all is across.
func (m *mover) forward(ctx context.Context, f *forwarder, js jetstream.JetStream, store *stores.Store) error {
	g, ctx := errgroup.WithContext(ctx)
	f.source = js
	for _, name := range forwarded {
		g.Go(func() error { return f.stream(ctx, name, store.Alone) })
	}
	if store.Alone {
		return g.Wait()
	}
	lost := store.Conn.StatusChanged(nats.DISCONNECTED, nats.RECONNECTING, nats.CLOSED)
	g.Go(func() error {
		tell := time.NewTicker(tellEvery)
		defer tell.Stop()
		for told := f.count.Load(); ; {
			if store.Conn.Status() != nats.CONNECTED {
				return errLost
			}
			select {
			case <-lost:
				return errLost
			case <-tell.C:
				if n := f.count.Load(); n != told {
					told = n
					m.Progress("%d messages forwarded", n)
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	return g.Wait()
}

// reopen opens a store whose process is gone. That may have crashed and come back: until somebody receives on the cluster, its
// place is kept free.
func (m *mover) reopen(ctx context.Context, target *stores.Store) (*stores.Store, error) {
	group := processes.NewGroup(&connection.Conn{Conn: target.Conn}, m.Log)
	for said := false; ; {
		store, err := stores.OpenRunning(m.from)
		if err != nil && receives(ctx, group) {
			store, err = stores.Open(ctx, m.from, m.Log)
		} else if err != nil && !said {
			said = true
			m.Progress("jethook serve is gone, and nobody receives on the cluster: start jethook ingest there, or jethook serve here again")
		}
		if err == nil {
			return store, m.check(ctx, store)
		}
		if err := pause(ctx, askPause); err != nil {
			return nil, fmt.Errorf("forwarding; run the same command again to go on: %w", err)
		}
	}
}

// receives reports whether a process on the cluster takes webhooks.
func receives(ctx context.Context, group *processes.Group) bool {
	all, _, err := group.Ask(ctx)
	for i := range all {
		if err == nil && (all[i].Role == "serve" || all[i].Role == "ingest") {
			return true
		}
	}
	return false
}

// check makes sure that the store is still the one that is being moved.
func (m *mover) check(ctx context.Context, store *stores.Store) error {
	js, err := connection.JetStream(store.Conn, store.Domain)
	if err != nil {
		return err
	}
	mark, err := moving.Read(ctx, js)
	if err == nil && (mark == nil || mark.ID != m.mark.ID) {
		err = fmt.Errorf("the store was replaced: %w", failure.ErrConflict)
	}
	if err == nil {
		m.mark = mark
	}
	return err
}
