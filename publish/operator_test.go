package publish_test

import (
	"bufio"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/config"
	"jethook/publish"
	"jethook/publish/bustest"
	"jethook/publish/topology"
)

// operated is a nats-server of an operator, and the settings to use it with.
func operated(t *testing.T) (*config.Config, jetstream.JetStream) {
	t.Helper()
	cfg := config.Default()
	cfg.NATSURL, cfg.MaxBody = cluster(t), 1<<19
	_, js := bustest.ClientOf(t, cfg.NATSURL)
	return cfg, js
}

// Each case is what an operator made of some streams, and all that the start must then say. What is no danger to a
// guarantee is theirs to choose. Nothing of theirs is changed either way.
func TestStreamsOfAnOperator(t *testing.T) {
	t.Parallel()
	type streams = map[string]func(*jetstream.StreamConfig)
	for name, test := range map[string]struct {
		made streams
		want []string
	}{
		"theirs to choose": {streams{
			"WEBHOOKS": func(c *jetstream.StreamConfig) {
				c.MaxBytes, c.Compression = 1<<30, jetstream.S2Compression
				c.MaxMsgsPerSubject, c.DiscardNewPerSubject = 1000, true
			},
			"EVENTS": func(c *jetstream.StreamConfig) {
				c.MaxAge, c.Description, c.Subjects = 3*time.Hour, "mine", append(c.Subjects, "mine.>")
			},
		}, nil},
		"first": {streams{
			"WEBHOOKS":   func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage },
			"EVENTS":     func(c *jetstream.StreamConfig) { c.NoAck, c.AllowAtomicPublish = true, false },
			"OPS":        func(c *jetstream.StreamConfig) { c.Subjects = []string{"jethook.ops.endpoint.*"} },
			"DELIVERIES": func(c *jetstream.StreamConfig) { c.Retention = jetstream.LimitsPolicy },
			"DEAD":       func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 5 },
			"HISTORY":    func(c *jetstream.StreamConfig) { c.AllowDirect = false },
		}, []string{
			"WEBHOOKS: it keeps messages in memory", "EVENTS: no_ack", "OPS: it does not take the subject jethook.ops.>",
			"DELIVERIES: its retention is Limits, needed is WorkQueue", "DEAD: max_msgs_per_subject is 5", "HISTORY: allow_direct is off",
		}},
		"second": {streams{
			"WEBHOOKS": func(c *jetstream.StreamConfig) { c.MaxBytes, c.Discard = 1<<20, jetstream.DiscardOld },
			"EVENTS":   func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 1 },
			"OPS": func(c *jetstream.StreamConfig) {
				c.SubjectTransform = &jetstream.SubjectTransformConfig{Source: "jethook.ops.>", Destination: "mine.>"}
			},
			"DELIVERIES": func(c *jetstream.StreamConfig) { c.MaxMsgs = 100 },
			"DEAD":       func(c *jetstream.StreamConfig) { c.Sealed, c.AllowAtomicPublish = true, false },
		}, []string{
			"WEBHOOKS: it drops the oldest events", "EVENTS: it keeps 1 events of a subject", "OPS: it renames subjects",
			"DELIVERIES: it has limits", "DEAD: it is sealed",
		}},
		"third": {streams{
			"WEBHOOKS": func(c *jetstream.StreamConfig) {
				c.PersistMode, c.AllowAtomicPublish = jetstream.AsyncPersistMode, false
			},
			"DELIVERIES": func(c *jetstream.StreamConfig) { c.AllowMsgSchedules, c.AllowRollup = false, false },
		}, []string{
			"WEBHOOKS: its persist_mode is async", "DELIVERIES: allow_msg_schedules is off", "DELIVERIES: roll-ups are off",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, js := operated(t)
			b, err := publish.Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			b.Close()
			made := map[string]jetstream.StreamConfig{}
			for stream, change := range test.made {
				c := streamConfig(t, js, stream)
				c.Metadata = nil
				change(&c)
				made[stream] = remake(t, js, c)
			}
			b, err = publish.Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
			switch {
			case err == nil:
				b.Close()
				if test.want != nil {
					t.Error("it starts all the same")
				}
			case test.want == nil, !errors.Is(err, topology.ErrStreamMismatch), strings.Count(err.Error(), "\n") != len(test.want):
				t.Errorf("got %v", err)
			}
			for _, want := range test.want {
				if !strings.Contains(fmt.Sprint(err), "\n  "+want) {
					t.Errorf("it does not say %q: %v", want, err)
				}
			}
			for stream, c := range made {
				if now := streamConfig(t, js, stream); !reflect.DeepEqual(now, c) {
					t.Errorf("%s was %+v\nand is %+v", stream, c, now)
				}
			}
		})
	}
}

// remake replaces a stream by one with that configuration, which is returned as the server has it.
func remake(t *testing.T, js jetstream.JetStream, c jetstream.StreamConfig) jetstream.StreamConfig {
	t.Helper()
	sealed := c.Sealed
	c.Sealed = false // none can be made so
	if err := js.DeleteStream(t.Context(), c.Name); err != nil {
		t.Fatal(err)
	}
	s, err := js.CreateStream(t.Context(), c)
	if err != nil {
		t.Fatalf("%s: %v", c.Name, err)
	}
	if sealed {
		c = s.CachedInfo().Config
		c.Sealed = true
		if s, err = js.UpdateStream(t.Context(), c); err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
	}
	return s.CachedInfo().Config
}

// A bucket of an operator that would lose endpoints stops the start, too.
func TestBucketsOfAnOperator(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		made jetstream.KeyValueConfig
		want string
	}{
		{jetstream.KeyValueConfig{Bucket: topology.BucketEndpoints, History: 10, Description: "mine"}, ""},
		{jetstream.KeyValueConfig{Bucket: topology.BucketEndpoints, Storage: jetstream.MemoryStorage}, "bucket jethook_endpoints is in memory"},
		{jetstream.KeyValueConfig{Bucket: topology.BucketEndpoints, TTL: time.Hour}, "bucket jethook_endpoints drops records older than 1h0m0s"},
		{jetstream.KeyValueConfig{Bucket: topology.BucketSources, Storage: jetstream.MemoryStorage}, "bucket jethook_sources is in memory"},
	} {
		t.Run(test.want, func(t *testing.T) {
			t.Parallel()
			cfg, js := operated(t)
			kv, err := js.CreateKeyValue(t.Context(), test.made)
			if err != nil {
				t.Fatal(err)
			}
			before, err := kv.Status(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			b, err := publish.Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
			if err == nil {
				b.Close()
			}
			if (err == nil) != (test.want == "") || err != nil && (!errors.Is(err, topology.ErrStreamMismatch) || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v", err)
			}
			if after, err := kv.Status(t.Context()); err != nil || !reflect.DeepEqual(after.Config(), before.Config()) {
				t.Errorf("it was %+v, and is %+v (%v)", before.Config(), after.Config(), err)
			}
		})
	}
}

// A consumer that would not do what Jethook's does is refused when it is first wanted.
func TestConsumerOfAnOperator(t *testing.T) {
	t.Parallel()
	b := bustest.Open(t, bustest.Settings(t))
	_, js := bustest.Client(t, b)
	if _, err := js.CreateConsumer(t.Context(), "EVENTS", jetstream.ConsumerConfig{
		Durable: "jethook", AckPolicy: jetstream.AckExplicitPolicy, MaxDeliver: 3, FilterSubject: "events.>",
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Queues().Open(t.Context(), topology.QueueEvents); !errors.Is(err, topology.ErrStreamMismatch) || !strings.Contains(err.Error(), "consumer jethook of EVENTS") {
		t.Errorf("got %v", err)
	}
}

// A cluster that lacks something is refused, with all that it lacks and the release that has it.
func TestOldCluster(t *testing.T) {
	t.Parallel()
	const (
		schedules = "message schedules, on which all waiting rests (since 2.12)"
		gets      = "direct gets of several messages (since 2.11)"
		filters   = "several filters of a consumer (since 2.10)"
		upgrade   = "upgrade every server to 2.12 or newer"
	)
	for version, want := range map[string][]string{
		"2.12.0": nil, "2.12.0-RC.1": nil, "2.14.3": nil, "2.15.2": nil, "3.0.0": nil,
		"2.11.9": {`"2.11.9"`, schedules, upgrade}, "2.10.29": {schedules, gets, upgrade}, "2.9.25": {schedules, gets, filters, upgrade},
		"1.14.1": {schedules, gets, filters, upgrade}, "": {`it says ""`, "2.12 or newer"}, "new": {`it says "new"`, "2.12 or newer"},
	} {
		err := publish.CheckVersion(version)
		if (err != nil) != (want != nil) {
			t.Errorf("%q: got %v", version, err)
		}
		for _, part := range want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q: %v does not say %q", version, err, part)
			}
		}
		if version == "2.11.9" && strings.Contains(err.Error(), gets) {
			t.Errorf("%q: %v names what it has", version, err)
		}
	}
	for level, want := range []string{gets, schedules, "", "", "", ""} {
		if err := publish.CheckLevel(level); (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("level %d: got %v", level, err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go greet(l, "2.11.9")
	cfg := config.Default()
	cfg.NATSURL = "nats://" + l.Addr().String()
	if _, err := publish.Open(t.Context(), cfg, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), schedules) {
		t.Errorf("got %v", err)
	}
}

// greet speaks as much of the protocol as a client needs to learn a server's version.
func greet(l net.Listener, version string) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		fmt.Fprintf(conn, `INFO {"server_id":"old","version":%q,"proto":1,"headers":true,"max_payload":1048576}`+"\r\n", version)
		for lines := bufio.NewScanner(conn); lines.Scan(); {
			if lines.Text() == "PING" {
				fmt.Fprint(conn, "PONG\r\n")
			}
		}
		conn.Close()
	}
}
