package publish_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"jethook/config"
	"jethook/publish"
	"jethook/publish/audit"
	"jethook/publish/bustest"
	"jethook/publish/topology"
)

// Processes that add entries at once make one chain of them.
func TestAuditChainHasNoFork(t *testing.T) {
	t.Parallel()
	first := bustest.Open(t, bustest.Settings(t))
	cfg := bustest.Settings(t)
	cfg.NATSURL = strings.Replace(first.Server().ClientURL(), "nats://", "nats://"+bustest.AdminToken+"@", 1)
	buses := []*publish.Bus{first, bustest.Open(t, cfg)}
	var g errgroup.Group
	const each = 40
	for i, bus := range buses {
		for part := range 2 {
			g.Go(func() error {
				for n := range each / 2 {
					if _, err := bus.AuditTrail().Add(t.Context(), audit.Entry{Action: "endpoint.update", Target: fmt.Sprint(i, part, n), Actor: "admin"}); err != nil {
						return err
					}
				}
				return nil
			})
		}
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, bus := range buses {
		r, err := bus.AuditTrail().Verify(t.Context())
		if err != nil || r.Break != "" || r.Entries != 2*each || r.First != 1 || r.Last != 2*each || len(r.Hash) != 64 {
			t.Errorf("the chain: %+v %v", r, err)
		}
	}
}

// Whatever somebody does to the stream breaks the chain, and the walk says where. What retention takes is no break.
func TestAuditChainBreaks(t *testing.T) {
	t.Parallel()
	forged, err := json.Marshal(audit.Entry{Action: "endpoint.delete", Actor: "somebody"})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		do   func(js jetstream.JetStream, s jetstream.Stream) error
		want string
	}{
		"nothing": {func(jetstream.JetStream, jetstream.Stream) error { return nil }, ""},
		"retention": {func(_ jetstream.JetStream, s jetstream.Stream) error {
			return s.Purge(t.Context(), jetstream.WithPurgeSequence(3))
		}, ""},
		"all of it gone":   {func(_ jetstream.JetStream, s jetstream.Stream) error { return s.Purge(t.Context()) }, ""},
		"an entry removed": {func(_ jetstream.JetStream, s jetstream.Stream) error { return s.DeleteMsg(t.Context(), 3) }, "place 3 to 3"},
		"an entry put in": {func(js jetstream.JetStream, _ jetstream.Stream) error {
			_, err := js.Publish(t.Context(), "jethook.audit.endpoint.delete", forged)
			return err
		}, "place 6"},
		"no entry": {func(js jetstream.JetStream, _ jetstream.Stream) error {
			_, err := js.Publish(t.Context(), "jethook.audit.endpoint.delete", []byte("{"))
			return err
		}, "place 6 can't be read"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := bustest.Open(t, bustest.Settings(t))
			_, js := bustest.Client(t, b)
			for n := range 5 {
				if _, err := b.AuditTrail().Add(t.Context(), audit.Entry{Action: "endpoint.update", Target: fmt.Sprint(n)}); err != nil {
					t.Fatal(err)
				}
			}
			s, err := js.Stream(t.Context(), topology.StreamAudit)
			if err == nil {
				err = c.do(js, s)
			}
			if err != nil {
				t.Fatal(err)
			}
			r, err := b.AuditTrail().Verify(t.Context())
			if err != nil || (r.Break == "") != (c.want == "") || !strings.Contains(r.Break, c.want) {
				t.Errorf("got %+v %v, want %q", r, err, c.want)
			}
			// The trail goes on behind whatever was done.
			if _, err := b.AuditTrail().Add(t.Context(), audit.Entry{Action: "endpoint.update"}); err != nil {
				t.Error(err)
			}
		})
	}
}

// A service neither reads nor writes the audit trail.
func TestServicesDoNotReachTheAuditTrail(t *testing.T) {
	t.Parallel()
	cfg := bustest.Settings(t)
	cfg.NATSToken = config.NewSecret("a-service-of-the-tests")
	b := bustest.Open(t, cfg)
	if _, err := b.AuditTrail().Add(t.Context(), audit.Entry{Action: "endpoint.update"}); err != nil {
		t.Fatal(err)
	}
	nc, js := bustest.ClientOf(t, strings.Replace(b.Server().ClientURL(), "nats://", "nats://a-service-of-the-tests@", 1))
	if _, err := js.Publish(t.Context(), "jethook.audit.endpoint.update", []byte("{}")); err == nil {
		t.Error("a service wrote an entry")
	}
	if s, err := js.Stream(t.Context(), topology.StreamAudit); err == nil {
		t.Errorf("a service sees %v", s.CachedInfo().Config)
	}
	nc.Close()
	if r, err := b.AuditTrail().Verify(t.Context()); err != nil || r.Entries != 1 || r.Break != "" {
		t.Errorf("the trail: %+v %v", r, err)
	}
}
