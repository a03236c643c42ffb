package move

import (
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"jethook/publish/bustest"
	"jethook/publish/event"
	"jethook/publish/topology"
)

// stored are the messages of a stream by where they lay before.
func stored(t *testing.T, js jetstream.JetStream, stream string) map[string]*jetstream.RawStreamMsg {
	t.Helper()
	s, err := js.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*jetstream.RawStreamMsg{}
	state := s.CachedInfo().State
	for seq := state.FirstSeq; seq <= state.LastSeq; seq++ {
		m, err := s.GetMsg(t.Context(), seq)
		if err != nil {
			t.Fatal(err)
		}
		all[m.Header.Get(headerMoved)] = m
	}
	return all
}

// Each message is forwarded once, however often a move is killed: with the id of its place, if it has no other, and with the time when
// it came. Two that the store has told apart stay two, though the cluster takes the second for a copy.
func TestForwardedOnce(t *testing.T) {
	t.Parallel()
	cfg := bustest.Settings(t)
	cfg.DedupWindow = 100 * time.Millisecond
	source := bustest.Open(t, cfg)
	_, from := bustest.Client(t, source)
	there := bustest.Settings(t)
	there.NATSURL = bustest.NATSServer(t, func(o *server.Options) { o.MaxPayload = 9 << 20 })
	bustest.Open(t, there)
	_, to := bustest.ClientOf(t, there.NATSURL)

	want := map[string]string{} // ids by place
	var same []string
	for len(same) < 2 { // until the store has forgotten the id
		ack, err := from.PublishMsg(t.Context(), &nats.Msg{Subject: "events.same", Header: nats.Header{event.HeaderMsgID: {"same"}}})
		if err != nil {
			t.Fatal(err)
		}
		if place := "EVENTS-" + strconv.FormatUint(ack.Sequence, 10); !ack.Duplicate {
			same, want[place] = append(same, place), "same"
		}
	}
	ack, err := from.Publish(t.Context(), "events.plain", []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	plain := "EVENTS-" + strconv.FormatUint(ack.Sequence, 10)
	want[plain] = plain
	for range 2 {
		f := newForwarder(to, there, nil, slog.New(slog.DiscardHandler))
		f.source = from
		if err := f.stream(t.Context(), topology.StreamEvents, true); err != nil {
			t.Fatal(err)
		}
		if err := from.DeleteConsumer(t.Context(), topology.StreamEvents, consumerName); err != nil { // what was acknowledged is forgotten
			t.Fatal(err)
		}
		got := stored(t, to, topology.StreamEvents)
		if have := slices.Sorted(maps.Keys(got)); !slices.Equal(have, slices.Sorted(maps.Keys(want))) {
			t.Fatalf("forwarded: %v, want %v", have, want)
		}
		for place, m := range got {
			if id := m.Header.Get(event.HeaderID); id != want[place] {
				t.Errorf("%s has the id %q, want %q", place, id, want[place])
			}
			if at, err := time.Parse(time.RFC3339Nano, m.Header.Get(event.HeaderReceived)); err != nil || !at.Before(m.Time) {
				t.Errorf("%s was received at %s: %v", place, at, err)
			}
		}
	}
}
