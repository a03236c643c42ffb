package move

import (
	"errors"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"jethook/config"
	"jethook/publish/bustest"
	"jethook/publish/quarantine"
	"jethook/publish/topology"
)

// All that serve stores while deliveries go on at the cluster gets there: also a secret that a sender hands over, a request that
// did not verify, and an operational event.
func TestForwardsWhatIsNoEvent(t *testing.T) {
	t.Parallel()
	settings := func() *config.Config {
		cfg := bustest.Settings(t)
		cfg.Sources = []config.Source{{Name: "asana"}}
		return cfg
	}
	source := bustest.Open(t, settings())
	_, from := bustest.Client(t, source)
	there := settings()
	there.NATSURL = bustest.NATSServer(t, func(o *server.Options) { o.MaxPayload = 9 << 20 })
	target := bustest.Open(t, there)
	_, to := bustest.ClientOf(t, there.NATSURL)

	now := time.Now()
	nonce, err := source.Sources().Pair(t.Context(), "asana", now.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := source.Sources().Learn(t.Context(), "asana", config.NewSecret("handed over"), nonce, now); err != nil {
		t.Fatal(err)
	}
	rejected := make(chan error, 1)
	source.Rejected().Reject(&quarantine.Request{
		Source: "asana", Reason: "signature", Received: now, Method: http.MethodPost, Header: http.Header{}, Size: 2, Body: []byte("{}"),
	}, func(err error) { rejected <- err })
	if err := <-rejected; err != nil {
		t.Fatal(err)
	}
	if _, err := from.Publish(t.Context(), "jethook.ops.endpoint.failing", []byte("{}")); err != nil {
		t.Fatal(err)
	}

	f := newForwarder(to, there, nil, slog.New(slog.DiscardHandler))
	f.source = from
	for _, name := range forwarded {
		if err := f.stream(t.Context(), name, true); err != nil {
			t.Fatal(err)
		}
	}
	state, err := target.Sources().Get(t.Context(), "asana")
	if err != nil || len(state.Secrets) != 1 || state.Secrets[0].Value.Reveal() != "handed over" || state.Pairing.Opens(nonce, now) {
		t.Errorf("the source has %d secrets: %v", len(state.Secrets), err)
	}
	for _, stream := range []string{topology.StreamRejected, topology.StreamOps} {
		got := stored(t, to, stream)
		if m := got[stream+"-1"]; len(got) != 1 || m == nil || string(m.Data) != "{}" {
			t.Errorf("%s has %v", stream, got)
		}
	}
}

// A secret that the cluster refused at first does not replace a later one.
func TestForwardsSecretsInTheirOrder(t *testing.T) {
	t.Parallel()
	open := func(url string) jetstream.JetStream {
		_, js := bustest.ClientOf(t, url)
		if _, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: topology.BucketSources, History: 2}); err != nil {
			t.Fatal(err)
		}
		return js
	}
	anybody := func(*server.Options) {}
	from, to := open(bustest.NATSServer(t, anybody)), open(bustest.NATSServer(t, anybody))
	values, err := from.KeyValue(t.Context(), topology.BucketSources)
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range [][]byte{make([]byte, 64<<10), []byte("later")} {
		if _, err := values.Put(t.Context(), "asana", value); err != nil {
			t.Fatal(err)
		}
	}
	const bucket = bucketPrefix + topology.BucketSources
	small, err := to.Stream(t.Context(), bucket)
	if err != nil {
		t.Fatal(err)
	}
	limit := func(bytes int64) {
		cfg := small.CachedInfo().Config
		cfg.MaxBytes = bytes
		if _, err := to.UpdateStream(t.Context(), cfg); err != nil {
			t.Error(err)
		}
	}
	limit(16 << 10)
	refused := make(chan struct{}, 1)
	f := newForwarder(to, &config.Config{}, nil, slog.New(warnings(refused)))
	f.source = from
	ended := make(chan error, 1)
	go func() { ended <- f.stream(t.Context(), bucket, true) }()
	select {
	case <-refused:
		limit(-1)
		err = <-ended
	case err = <-ended:
		err = errors.Join(errors.New("the cluster refused nothing"), err)
	}
	if err != nil {
		t.Fatal(err)
	}
	values, err = to.KeyValue(t.Context(), topology.BucketSources)
	if err != nil {
		t.Fatal(err)
	}
	if entry, err := values.Get(t.Context(), "asana"); err != nil || string(entry.Value()) != "later" {
		t.Errorf("the cluster has another value: %v", err)
	}
}

// warnings returns a handler that tells of each warning.
func warnings(c chan<- struct{}) slog.Handler {
	return slog.NewTextHandler(writer(func() {
		select {
		case c <- struct{}{}:
		default:
		}
	}), &slog.HandlerOptions{Level: slog.LevelWarn})
}

type writer func()

func (w writer) Write(p []byte) (int, error) { w(); return len(p), nil }
