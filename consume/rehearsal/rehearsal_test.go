package rehearsal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"jethook/consume/endpoint"
	"jethook/publish/topology"
)

// The tests' own program is the child, too.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "child" {
		os.Exit(beChild(os.Args[2]))
	}
	os.Exit(m.Run())
}

// beChild is a child that does as its messages say, unless it is to be a real one.
func beChild(kind string) int {
	var err error
	switch kind {
	case "real":
		err = Serve(os.Stdin, os.Stdout)
	case "unable":
		return 3
	default:
		debug.SetMaxStack(maxStack)
		err = serve(os.Stdin, os.Stdout, func(m *Message, s Stage) {
			if order, ok := strings.CutPrefix(string(m.Data), string(s)+": "); ok {
				obey(order, kind)
			}
		})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func obey(order, once string) {
	switch order {
	case "overflow":
		os.Exit(overflow(0))
	case "panic":
		panic("a secret of the message")
	case "index":
		_ = os.Args[len(os.Args)+len(order)]
	case "hang":
		select {}
	case "die once":
		if f, err := os.OpenFile(once, os.O_CREATE|os.O_EXCL, 0o600); err == nil {
			f.Close()
			os.Exit(9)
		}
	}
}

func overflow(n int) int {
	if n < 0 { // never
		return n
	}
	return n + overflow(n+1)
}

func rehearser(t *testing.T, kind string) *Rehearser {
	t.Helper()
	self, err := Self("child", kind)
	if err != nil {
		t.Fatal(err)
	}
	r := New(self...)
	t.Cleanup(r.Close)
	return r
}

func TestWhatAChildDiesOf(t *testing.T) {
	t.Parallel()
	r := rehearser(t, filepath.Join(t.TempDir(), "once"))
	slack := Form(endpoint.FormatSlack)
	for _, row := range []struct {
		data string
		want map[Stage]string
	}{
		{"nothing bad", nil},
		{"read: overflow", map[Stage]string{Read: "fatal error: stack overflow"}},
		{"read: panic", map[Stage]string{Read: "panic"}},
		{"read: index", map[Stage]string{Read: "panic: runtime error: index out of range"}},
		{"form slack: panic", map[Stage]string{slack: "panic"}},
		{"read: die once", nil}, // somebody else may have killed it
		{"nothing bad", nil},
	} {
		got, err := r.Try(t.Context(), &Message{Data: []byte(row.data)}, Read, slack, Form(endpoint.FormatRaw))
		if err != nil || len(got) != len(row.want) {
			t.Errorf("%s: %v, %v", row.data, got, err)
		}
		for stage, cause := range row.want {
			if !strings.HasPrefix(got[stage], cause) || strings.Contains(got[stage], "secret") {
				t.Errorf("%s: %q, want %q", row.data, got[stage], cause)
			}
		}
	}
}

// What can't be told is no verdict.
func TestNoVerdict(t *testing.T) {
	t.Parallel()
	if got, err := rehearser(t, "unable").Try(t.Context(), &Message{}, Read); err == nil {
		t.Errorf("a child that can't begin told %v", got)
	}
	r := New(filepath.Join(t.TempDir(), "absent"))
	if got, err := r.Try(t.Context(), &Message{}, Read); err == nil {
		t.Errorf("a child that can't be started told %v", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if got, err := rehearser(t, "hangs").Try(ctx, &Message{Data: []byte("read: hang")}, Read); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a child that hangs told %v, %v", got, err)
	}
}

// A child survives what is harmless, of any kind and size, from many at once.
func TestRealMessagesSurvive(t *testing.T) {
	t.Parallel()
	r := rehearser(t, "real")
	all := []Stage{Read, Form(endpoint.FormatRaw), Form(endpoint.FormatSlack), Form(endpoint.FormatDiscord)}
	var wg sync.WaitGroup
	for _, data := range [][]byte{nil, []byte(`{"a":1}`), bytes.Repeat([]byte("["), 8_000_000), []byte("\xff\x00")} {
		for _, m := range []Message{
			{Stream: topology.StreamWebhooks, Subject: "webhooks.acme.a", Header: nats.Header{"Jethook-Id": {"\x00"}}},
			{Stream: topology.StreamEvents, Subject: "events.a"},
			{Stream: topology.StreamDeliveries, Subject: "jethook.due.ep_1.a", Header: nats.Header{
				"Jethook-Endpoint": {"ep_1"}, "Jethook-Attempt": {"1"}, "Jethook-Id": {"evt_1"}, "Jethook-Subject": {"events.a"},
			}},
			{Stream: topology.StreamDeliveries, Subject: "none", Header: nats.Header{"Jethook-Attempt": {"x"}}},
		} {
			m.Data, m.Seq = data, 7
			wg.Go(func() {
				if got, err := r.Try(t.Context(), &m, all...); err != nil || len(got) > 0 {
					t.Errorf("%s, %d bytes: %v, %v", m.Subject, len(m.Data), got, err)
				}
			})
		}
	}
	wg.Wait()
}

func BenchmarkTry(b *testing.B) {
	self, err := Self("child", "real")
	if err != nil {
		b.Fatal(err)
	}
	r := New(self...)
	defer r.Close()
	m := &Message{Stream: topology.StreamEvents, Subject: "events.a", Seq: 1, Data: bytes.Repeat([]byte("x"), 1000)}
	for b.Loop() {
		if _, err := r.Try(b.Context(), m, Read, Form(endpoint.FormatRaw)); err != nil {
			b.Fatal(err)
		}
	}
}
