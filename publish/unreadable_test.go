package publish_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"jethook/publish"
	"jethook/publish/bustest"
	"jethook/publish/delivery"
	"jethook/publish/query"
)

// plant stores a message as it stands here, with whatever headers: a client library would refuse to.
func plant(t testing.TB, b *publish.Bus, subject, headers, body string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(b.Server().ClientURL(), "nats://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second)) //nolint:errcheck // a test
	fmt.Fprintf(conn, "CONNECT {\"verbose\":false,\"headers\":true,\"auth_token\":%q}\r\nSUB reply 1\r\nHPUB %s reply %d %d\r\n%s%s\r\nPING\r\n",
		bustest.AdminToken, subject, len(headers), len(headers)+len(body), headers, body)
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		if strings.Contains(lines.Text(), `"seq":`) {
			return
		}
		if strings.HasPrefix(lines.Text(), "-ERR") || strings.Contains(lines.Text(), `"error":`) {
			t.Fatal(lines.Text())
		}
	}
	t.Fatal("the message was not stored")
}

// IsUnreadable are headers that no client can read.
const IsUnreadable = "NATS/1.0\r\nthere is no colon in this line\r\n\r\n"

// bury stores a dead letter.
func bury(t testing.TB, b *publish.Bus, d *delivery.Delivery) {
	t.Helper()
	done := make(chan error, 1)
	b.Deliveries().DeadLetter(d, func(err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// Messages whose headers can't be read, and those that lie about their place or seem to be an answer of the server, are
// passed over by their place: whatever reads a stream comes to its end and sees all the others.
func TestUnreadableMessagesAreSkipped(t *testing.T) {
	t.Parallel()
	cfg := bustest.Settings(t)
	b := bustest.Open(t, cfg)
	nc, _ := bustest.Client(t, b)
	const good = 7
	for i := range good {
		plant(t, b, fmt.Sprint("jethook.dead.ep_1.bad:", i), IsUnreadable, "x")
		plant(t, b, fmt.Sprint("jethook.retry.ep_1.bad:", i), IsUnreadable, "x")
		lie := nats.NewMsg(fmt.Sprint("jethook.dead.ep_1.lie:", i))
		lie.Header = nats.Header{
			"Nats-Sequence": {"1"}, "Nats-Subject": {"jethook.dead.ep_2.x"}, "Nats-Num-Pending": {"0"}, "Status": {"404"},
		}
		if err := nc.PublishMsg(lie); err != nil {
			t.Fatal(err)
		}
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
		d := waiting(fmt.Sprint("evt_", i), time.Hour)
		d.Endpoint, d.Why = "ep_1", delivery.WhyTurn
		schedule(t, b, d)
		bury(t, b, d)
	}
	plant(t, b, "jethook.dead.ep_1.bad:last", IsUnreadable, "x")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // none of this may go on for ever
	defer cancel()

	selection := query.Dead("ep_1")
	letters := func(page []query.Stored) (n int) {
		for i := range page {
			if d, err := delivery.Of(&page[i]); err == nil && d.Endpoint == "ep_1" {
				n++
			}
		}
		return n
	}
	for _, limit := range []int{1, 2, 3, 100} {
		n := 0
		for from := uint64(1); from != 0; {
			page, next, err := b.Query().Forward(ctx, selection, from, limit)
			if err != nil || next != 0 && next <= from {
				t.Fatalf("after %d by %d: on to %d: %v", from, limit, next, err)
			}
			from, n = next, n+letters(page)
		}
		if n != good {
			t.Errorf("forwards by %d: %d of %d", limit, n, good)
		}
		n = 0
		for before := uint64(0); ; {
			page, next, err := b.Query().Reverse(ctx, selection, before, limit)
			if err != nil || before != 0 && next >= before {
				t.Fatalf("before %d by %d: on to %d: %v", before, limit, next, err)
			}
			if before, n = next, n+letters(page); next == 0 {
				break
			}
		}
		if n != good {
			t.Errorf("backwards by %d: %d of %d", limit, n, good)
		}
	}
	n := 0
	if _, err := b.Query().ReadAll(ctx, selection, 1<<20, func(s *query.Stored) { n += letters([]query.Stored{*s}) }); err != nil || n != good {
		t.Errorf("all: %d of %d: %v", n, good, err)
	}
	if p, err := b.Query().Peek(ctx, selection); err != nil || p.Total != 3*good+1 {
		t.Errorf("a pile of %d: %v", p.Total, err)
	}
	if first, last, err := b.Query().Ends(ctx, selection, time.Time{}); err != nil || first != 1 || last != 3*good+1 {
		t.Errorf("from %d to %d: %v", first, last, err)
	}
	if _, _, err := b.Query().Count(ctx, selection); err != nil {
		t.Error(err)
	}
	if _, err := b.Find().Dead(ctx, "ep_1.bad:1"); err == nil {
		t.Error("a letter that can't be read was read")
	}
}
