// Package processes lets the processes on one bus ask each other how they are, and say goodbye when they stop.
//
// An answer comes within a second, or its process is named as missing for some minutes. Nothing of it is stored: who starts
// later has heard of nobody.
package processes

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"

	"jethook/publish/connection"
	"jethook/publish/failure"
	"jethook/publish/report"
)

// Processes ask each other on subjects that no stream captures: who is not there at that moment says nothing.
const (
	Subjects    = "jethook.rpc.>"
	AskSubject  = "jethook.rpc.status" // a question; each process answers to its reply subject
	leftSubject = "jethook.rpc.left"   // a process stops, and is not to be missed
	// headerPeer says who answers. headerMore marks each part but the last of an answer that takes several messages.
	headerPeer = "Jethook-Peer"
	headerMore = "Jethook-More"
)

const (
	// AskTime bounds a question; askQuiet is how long one waits for more when everyone known has answered.
	AskTime  = time.Second
	askQuiet = 50 * time.Millisecond
	// missFor is how long a process that answers no more is missed: one that was killed is replaced by one with
	// another id.
	missFor = 15 * time.Minute
	// partBytes is well below what any server takes as a message. maxPeers and maxPeerBytes bound what a question
	// may bring, whoever answers.
	partBytes    = 256 << 10
	maxPeers     = 1000
	maxPeerBytes = 64 << 20
)

// Missing is a process that was heard of and does not answer.
type Missing struct {
	report.Peer
	Heard time.Time `json:"heard" doc:"when it was last heard"`
}

// roster is the processes that this one has heard of.
type roster struct {
	mu    sync.Mutex // guards what follows
	heard map[string]Missing
}

func (r *roster) hear(p report.Peer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.ID != "" && (len(r.heard) < maxPeers || r.heard[p.ID].ID != "") {
		r.heard[p.ID] = Missing{p, time.Now()}
	}
}

func (r *roster) forget(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.heard, id)
}

// without returns the processes that are known and not among the answers, the longest unheard first.
func (r *roster) without(answered map[string]report.Process) (missing []Missing) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, m := range r.heard {
		if time.Since(m.Heard) > missFor {
			delete(r.heard, id)
		} else if _, ok := answered[id]; !ok {
			missing = append(missing, m)
		}
	}
	slices.SortFunc(missing, func(a, b Missing) int {
		return cmp.Or(a.Heard.Compare(b.Heard), cmp.Compare(a.ID, b.ID))
	})
	return missing
}

// Group is the processes that use one bus, as this one knows them.
type Group struct {
	reads *connection.Conn
	log   *slog.Logger
	peers roster
	self  atomic.Pointer[report.Peer] // what Answer answers as; nil unless it runs
}

// NewGroup returns a group that has heard of nobody yet.
func NewGroup(conn *connection.Conn, log *slog.Logger) *Group {
	return &Group{reads: conn, log: log, peers: roster{heard: make(map[string]Missing)}}
}

// Self names this process.
func Self(role string) report.Peer {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return report.Peer{ID: nuid.Next(), Role: role, Host: host, PID: os.Getpid()}
}

// Answer answers the questions of all processes, this one among them, with what own returns, until ctx ends. It
// makes this process and those that are there already known to each other: from then on they miss each other.
func (g *Group) Answer(ctx context.Context, own func() report.Process) error {
	answers, err := g.reads.Subscribe(AskSubject, func(m *nats.Msg) { g.answer(m, own) })
	if err != nil {
		return fmt.Errorf("subscribing to %s: %w", AskSubject, failure.Classify(err))
	}
	defer answers.Unsubscribe() //nolint:errcheck // the connection ends soon
	leaves, err := g.reads.Subscribe(leftSubject, func(m *nats.Msg) { g.peers.forget(string(m.Data)) })
	if err != nil {
		return fmt.Errorf("subscribing to %s: %w", leftSubject, failure.Classify(err))
	}
	defer leaves.Unsubscribe() //nolint:errcheck // as above
	self := own().Peer
	g.self.Store(&self)
	if _, _, err := g.Ask(ctx); err != nil && ctx.Err() == nil {
		g.log.Debug("cannot announce the start to other processes", "error", err)
	}
	<-ctx.Done()
	g.self.Store(nil)
	if err := g.reads.Publish(leftSubject, []byte(self.ID)); err != nil {
		g.log.Debug("cannot announce the shutdown to other processes", "error", err)
	}
	return nil
}

// answer sends this process's report to who asks, in as many messages as it takes. Who asks says where to, which must
// not be where it could be taken for an event.
func (g *Group) answer(question *nats.Msg, own func() report.Process) {
	if !strings.HasPrefix(question.Reply, nats.InboxPrefix) && !strings.HasPrefix(question.Reply, connection.Inbox+".") {
		return
	}
	var asks report.Peer
	if json.Unmarshal(question.Data, &asks) == nil {
		g.peers.hear(asks)
	}
	r := own()
	data, err := json.Marshal(&r)
	for more := true; more && err == nil; {
		part := nats.NewMsg(question.Reply)
		part.Header.Set(headerPeer, r.ID)
		part.Data = data[:min(partBytes, len(data))]
		data = data[len(part.Data):]
		if more = len(data) > 0; more {
			part.Header.Set(headerMore, "1")
		}
		err = g.reads.PublishMsg(part)
	}
	if err != nil {
		g.log.Debug("cannot answer another process", "error", err)
	}
}

// Ask returns what all processes report, and those that were heard of in the last minutes and do not answer within a
// second. Without any of them it takes a moment only.
func (g *Group) Ask(ctx context.Context) ([]report.Process, []Missing, error) {
	ctx, cancel := context.WithTimeout(ctx, AskTime)
	defer cancel()
	sub, err := g.reads.SubscribeSync(g.reads.NewInbox())
	if err != nil {
		return nil, nil, fmt.Errorf("asking the processes: %w", failure.Classify(err))
	}
	defer sub.Unsubscribe() //nolint:errcheck // late answers are dropped
	var question []byte
	if self := g.self.Load(); self != nil {
		if question, err = json.Marshal(self); err != nil {
			return nil, nil, fmt.Errorf("asking the processes: %w", err)
		}
	}
	if err := g.reads.PublishRequest(AskSubject, sub.Subject, question); err != nil {
		return nil, nil, fmt.Errorf("asking the processes: %w", failure.Classify(err))
	}
	answered := g.collect(ctx, sub)
	all := slices.SortedFunc(maps.Values(answered), func(a, b report.Process) int {
		return cmp.Or(a.Started.Compare(b.Started), cmp.Compare(a.ID, b.ID))
	})
	return all, g.peers.without(answered), nil
}

// collect gathers answers until everyone known has answered and no more come for a moment, or ctx ends.
func (g *Group) collect(ctx context.Context, sub *nats.Subscription) map[string]report.Process {
	answered := make(map[string]report.Process)
	parts := make(map[string][]byte)
	for size := 0; size < maxPeerBytes && len(answered) < maxPeers; {
		wait, cancel := ctx, context.CancelFunc(func() {})
		if len(answered) > 0 && len(g.peers.without(answered)) == 0 {
			wait, cancel = context.WithTimeout(ctx, askQuiet)
		}
		m, err := sub.NextMsgWithContext(wait)
		cancel()
		if err != nil || m.Header.Get("Status") != "" { // the latter: nobody is there to answer
			break
		}
		size += len(m.Data)
		id := m.Header.Get(headerPeer)
		if parts[id] = append(parts[id], m.Data...); m.Header.Get(headerMore) != "" {
			continue
		}
		var r report.Process
		if err := json.Unmarshal(parts[id], &r); err != nil || r.ID != id || id == "" {
			g.log.Debug("cannot read another process's answer", "error", err)
			continue
		}
		answered[id] = r
		g.peers.hear(r.Peer)
		delete(parts, id)
	}
	return answered
}
