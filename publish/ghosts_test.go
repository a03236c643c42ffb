package publish_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"jethook/publish/bustest"
)

// The server brings removed messages back after a kill: docs/resurrected-messages.md says which and why. The tests fail
// once it no longer does, and what Jethook does about it can go.
func TestServerResurrectsWhatWasRemoved(t *testing.T) {
	t.Parallel()
	workQueue := jetstream.StreamConfig{Retention: jetstream.WorkQueuePolicy}
	schedules := jetstream.StreamConfig{Retention: jetstream.WorkQueuePolicy, AllowMsgSchedules: true, AllowRollup: true}
	for name, c := range map[string]struct {
		stream jetstream.StreamConfig
		key    string // of an encrypted store
		first  bool   // they lie at the beginning of the stream, else at that of its second block
		store  func(g *grave, subject string)
		remove func(g *grave)
		back   bool
	}{
		"deleted":                {store: (*grave).put, remove: (*grave).deleteEach, back: true},
		"deleted, first":         {first: true, store: (*grave).put, remove: (*grave).deleteEach, back: true},
		"purged by subject":      {store: (*grave).put, remove: (*grave).purgeSubject, back: true},
		"acknowledged":           {stream: workQueue, store: (*grave).put, remove: (*grave).acknowledge, back: true},
		"fired":                  {stream: schedules, store: (*grave).schedule, remove: (*grave).fire, back: true},
		"erased but encrypted":   {key: "a key", store: (*grave).put, remove: (*grave).eraseEach, back: true},
		"erased":                 {store: (*grave).put, remove: (*grave).eraseEach},
		"erased, first":          {first: true, store: (*grave).put, remove: (*grave).eraseEach},
		"replaced":               {stream: jetstream.StreamConfig{MaxMsgsPerSubject: 1}, store: (*grave).put, remove: (*grave).replace},
		"replaced and encrypted": {key: "a key", stream: jetstream.StreamConfig{MaxMsgsPerSubject: 1}, store: (*grave).put, remove: (*grave).replace},
		"rolled up":              {stream: jetstream.StreamConfig{MaxMsgsPerSubject: 1, AllowRollup: true}, store: (*grave).put, remove: (*grave).rollUp},
		"replaced by what was removed since": {
			stream: jetstream.StreamConfig{MaxMsgsPerSubject: 1}, store: (*grave).put, remove: (*grave).replaceAndDelete, back: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := dig(t, c.stream, c.key, 50*time.Millisecond)
			g.bury(c.first, func() {
				for i := range buried {
					c.store(g, fmt.Sprint("grave.buried.", i))
				}
			}, func() { c.remove(g) })
			g.expect(g.afterKill(), c.back)
		})
	}
}

// The last message to be removed of a block has no tombstone, and the block stays for the sake of those it holds for others,
// as it is until it is compacted.
func TestServerResurrectsTheLastOfABlock(t *testing.T) {
	t.Parallel()
	g := dig(t, jetstream.StreamConfig{}, "", time.Hour)
	fillers := g.fillBlock(1)
	g.delete(fillers[1]) // its tombstone is in the second block
	second := append([]uint64{g.last(fillers)}, g.fillBlock(2)...)
	g.seqs = second[:len(second)-1]
	g.deleteEach()
	g.expect(g.afterKill(), true)
}

// expect fails when the server does otherwise than what Jethook is built for.
func (g *grave) expect(back []uint64, want bool) {
	g.t.Helper()
	switch {
	case want && len(back) == 0:
		g.t.Errorf("nats-server %s no longer brings back what was removed in this way: take it out of docs/resurrected-messages.md, and what Jethook does about it",
			server.VERSION)
	case !want && len(back) > 0:
		g.t.Errorf("nats-server %s brings back what was removed in this way, which Jethook relies on: %d", server.VERSION, back)
	}
}

const (
	buried      = 10
	buriedBytes = 4 << 10
	fillerBytes = 256 << 10
	// streamBytes is far more than a test stores, and makes the blocks 4 MiB large.
	streamBytes = 64 << 20
)

// grave is a stream in which the first messages of a block are removed, by tombstones that lie in the next one.
type grave struct {
	t    *testing.T
	dir  string
	js   jetstream.JetStream
	s    jetstream.Stream
	name string   // of the stream
	root string   // of the fillers' subjects
	seqs []uint64 // of the buried ones
	key  string
}

// dig returns a stream whose store is compacted at an interval.
func dig(t *testing.T, cfg jetstream.StreamConfig, key string, compacted time.Duration) *grave {
	t.Helper()
	g := &grave{t: t, dir: t.TempDir(), key: key, name: "GRAVE", root: "grave.filler."}
	g.js = g.serve(g.dir, compacted)
	cfg.MaxBytes = streamBytes
	cfg.Name, cfg.Subjects, cfg.Storage, cfg.AllowDirect = g.name, []string{"grave.>"}, jetstream.FileStorage, true
	var err error
	if g.s, err = g.js.CreateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	return g
}

// bury stores something at the beginning of the stream, or of its second block, removes it, and loses the tombstones.
func (g *grave) bury(first bool, store, remove func()) {
	g.t.Helper()
	block := 1
	if first {
		store()
	} else {
		opener := g.last(g.fillBlock(block))
		block++
		store()
		g.delete(opener) // so that what is buried is the first of the block
	}
	next := g.last(g.fillBlock(block))
	remove()
	g.loseTombstones(block+1, next)
}

// left is the store as a kill would leave it, which is as it lies on the disk now.
func (g *grave) left() (dir string) {
	g.t.Helper()
	for {
		dir = g.t.TempDir()
		err := os.CopyFS(dir, os.DirFS(g.dir))
		if errors.Is(err, fs.ErrNotExist) { // the server replaced a consumer's state meanwhile
			continue
		}
		if err != nil {
			g.t.Fatal(err)
		}
		return dir
	}
}

// serve starts a server on a store, which it syncs and compacts at an interval.
func (g *grave) serve(dir string, every time.Duration) jetstream.JetStream {
	g.t.Helper()
	srv, err := server.NewServer(&server.Options{
		ServerName: "grave", DontListen: true, NoSigs: true, JetStream: true, StoreDir: dir, SyncInterval: every,
		JetStreamKey: g.key, JetStreamCipher: server.AES,
	})
	if err != nil {
		g.t.Fatal(err)
	}
	srv.Start()
	g.t.Cleanup(func() {
		srv.Shutdown()
		srv.WaitForShutdown()
	})
	if !srv.ReadyForConnections(time.Minute) {
		g.t.Fatal("the server does not start")
	}
	_, js := bustest.ClientOf(g.t, "", nats.InProcessServer(srv))
	return js
}

func (g *grave) publish(m *nats.Msg) uint64 {
	g.t.Helper()
	ack, err := g.js.PublishMsg(g.t.Context(), m)
	if err != nil {
		g.t.Fatal(err)
	}
	return ack.Sequence
}

// fillBlock stores fillers until the block after that one is begun, by the last of them.
func (g *grave) fillBlock(n int) (fillers []uint64) {
	g.t.Helper()
	for g.blockSize(n+1) == 0 {
		m := nats.NewMsg(g.root + nuid.Next())
		m.Data = make([]byte, fillerBytes)
		fillers = append(fillers, g.publish(m))
	}
	return fillers
}

func (g *grave) delete(seq uint64) {
	g.t.Helper()
	if err := g.s.DeleteMsg(g.t.Context(), seq); err != nil {
		g.t.Fatal(err)
	}
}

func (g *grave) last(seqs []uint64) uint64 { return seqs[len(seqs)-1] }

// blockSize is how large a block's file is; 0 for one that is not begun.
func (g *grave) blockSize(n int) int64 {
	g.t.Helper()
	info, err := os.Stat(filepath.Join(g.dir, "jetstream", "$G", "streams", g.name, "msgs", fmt.Sprintf("%d.blk", n)))
	if errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	if err != nil {
		g.t.Fatal(err)
	}
	return info.Size()
}

func (g *grave) put(subject string) {
	m := nats.NewMsg(subject)
	m.Data = make([]byte, buriedBytes)
	g.seqs = append(g.seqs, g.publish(m))
}

func (g *grave) schedule(subject string) {
	m := nats.NewMsg(subject)
	m.Data = make([]byte, buriedBytes)
	m.Header.Set("Nats-Schedule", "@at "+time.Now().Add(2*time.Second).Format(time.RFC3339Nano))
	m.Header.Set("Nats-Schedule-Target", "grave.due")
	g.seqs = append(g.seqs, g.publish(m))
}

func (g *grave) deleteEach() {
	for _, seq := range g.seqs {
		g.delete(seq)
	}
}

func (g *grave) eraseEach() {
	g.t.Helper()
	for _, seq := range g.seqs {
		if err := g.s.SecureDeleteMsg(g.t.Context(), seq); err != nil {
			g.t.Fatal(err)
		}
	}
}

func (g *grave) purgeSubject() {
	g.t.Helper()
	if err := g.s.Purge(g.t.Context(), jetstream.WithPurgeSubject("grave.buried.>")); err != nil {
		g.t.Fatal(err)
	}
}

func (g *grave) acknowledge() { g.consume("grave.buried.>") }
func (g *grave) fire()        { g.consume("grave.due") }

// consume acknowledges as many messages as there are buried ones.
func (g *grave) consume(subject string) {
	g.t.Helper()
	c, err := g.s.CreateConsumer(g.t.Context(), jetstream.ConsumerConfig{FilterSubject: subject, AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		g.t.Fatal(err)
	}
	messages, err := c.Messages()
	if err != nil {
		g.t.Fatal(err)
	}
	defer messages.Stop()
	for range buried {
		m, err := messages.Next(jetstream.NextContext(g.t.Context()))
		if err == nil {
			err = m.DoubleAck(g.t.Context())
		}
		if err != nil {
			g.t.Fatal(err)
		}
	}
}

func (g *grave) replace() {
	for i := range buried {
		g.publish(nats.NewMsg(fmt.Sprint("grave.buried.", i)))
	}
}

func (g *grave) replaceAndDelete() {
	g.t.Helper()
	info, err := g.s.Info(g.t.Context())
	if err != nil {
		g.t.Fatal(err)
	}
	g.replace()
	for i := range uint64(buried) {
		g.delete(info.State.LastSeq + 1 + i)
	}
}

func (g *grave) rollUp() {
	for i := range buried {
		m := nats.NewMsg(fmt.Sprint("grave.buried.", i))
		m.Header.Set(jetstream.MsgRollup, jetstream.MsgRollupSubject)
		g.publish(m)
	}
}

// loseTombstones removes all fillers of a block but one, the first of which it is given, and waits until the server has
// compacted the block: with that, the tombstones in it are gone.
func (g *grave) loseTombstones(block int, first uint64) {
	g.t.Helper()
	fillers := append([]uint64{first}, g.fillBlock(block)...)
	for _, seq := range fillers[:len(fillers)-2] {
		g.delete(seq)
	}
	for g.blockSize(block) > 4*fillerBytes {
		if g.t.Context().Err() != nil {
			g.t.Fatal("the block is never compacted")
		}
		time.Sleep(10 * time.Millisecond) // nothing tells of it
	}
}

// afterKill opens the store as a kill would leave it, and returns which of the buried are there again.
func (g *grave) afterKill() (back []uint64) {
	g.t.Helper()
	s, err := g.serve(g.left(), time.Hour).Stream(g.t.Context(), g.name)
	if err != nil {
		g.t.Fatal(err)
	}
	for _, seq := range g.seqs {
		switch _, err := s.GetMsg(g.t.Context(), seq); {
		case err == nil:
			back = append(back, seq)
		case !errors.Is(err, jetstream.ErrMsgNotFound):
			g.t.Fatal(err)
		}
	}
	slices.Sort(back)
	return back
}
