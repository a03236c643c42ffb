package publish_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"jethook/config"
	"jethook/publish"
	"jethook/publish/bustest"
	"jethook/publish/event"
	"jethook/publish/topology"
)

// outsider is a client of the network, and what the server refused it.
type outsider struct {
	*nats.Conn
	js jetstream.JetStream

	mu      sync.Mutex // guards refused
	refused []string
}

func outside(t *testing.T, url string, opts ...nats.Option) *outsider {
	t.Helper()
	o := &outsider{}
	opts = append(opts, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.refused = append(o.refused, err.Error())
	}))
	o.Conn, o.js = bustest.ClientOf(t, url, opts...)
	return o
}

// settle returns when the server has handled all that was sent, and said what it refuses of it.
func (o *outsider) settle(t *testing.T) (refused []string) {
	t.Helper()
	if err := o.FlushTimeout(30 * time.Second); err != nil {
		t.Fatal(err)
	}
	// The client hands errors over by a queue of its own.
	done := make(chan struct{})
	sub, err := o.Subscribe(o.NewInbox(), func(*nats.Msg) {})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Unsubscribe()
	go func() {
		defer close(done)
		_ = o.FlushTimeout(30 * time.Second)
	}()
	<-done
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.refused
}

// bare is a client of the NATS protocol that reads what the server says and nothing between the lines, in order.
type bare struct {
	t    *testing.T
	conn net.Conn
	in   []byte
}

func bareTo(t *testing.T, url, connect string) *bare {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "nats://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	b := &bare{t: t, conn: conn}
	b.send(connect + "\r\n")
	return b
}

func (b *bare) send(text string) {
	b.t.Helper()
	if _, err := b.conn.Write([]byte(text)); err != nil {
		b.t.Fatal(err)
	}
}

// ask sends text and a ping, and returns all that came before the answer to it, or the end of the connection.
func (b *bare) ask(text string) string {
	b.t.Helper()
	b.conn.SetDeadline(time.Now().Add(30 * time.Second))
	b.conn.Write([]byte(text + "PING\r\n"))
	buf := make([]byte, 1<<16)
	for {
		if before, after, ok := strings.Cut(string(b.in), "PONG\r\n"); ok {
			b.in = []byte(after)
			return before
		}
		n, err := b.conn.Read(buf)
		b.in = append(b.in, buf[:n]...)
		if err != nil {
			return string(b.in) + "<end>"
		}
	}
}

func pub(subject, reply, body string) string {
	return fmt.Sprintf("PUB %s %s %d\r\n%s\r\n", subject, reply, len(body), body)
}

func violation(subject string) string {
	return fmt.Sprintf("-ERR 'Permissions Violation for Publish to %q'", subject)
}

// stocked is a bus with one event in each stream, a running consumer of Jethook's on each, an endpoint in its bucket, and
// a witness of all that a subscriber sees on webhooks.>.
func stocked(t *testing.T) (b *publish.Bus, operator jetstream.JetStream) {
	t.Helper()
	b = bustest.Open(t, bustest.Settings(t))
	for _, e := range []*event.Event{
		bustest.Event("evt_1"),
		{ID: "evt_2", Type: "a", Subject: "events.a", Received: time.Now(), Body: []byte(`{"forged":true}`)},
		{ID: "evt_3", Type: "b", Subject: "jethook.ops.b", Received: time.Now(), Body: []byte("{}")},
	} {
		if _, err := b.Publish(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	for _, q := range []topology.Queue{topology.QueueWebhooks, topology.QueueEvents, topology.QueueOps} {
		if _, err := b.Queues().Open(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Consumers().OpenOrdered(t.Context(), topology.StreamEvents, "ep_ordered", []string{"events.>"}, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Buckets().Endpoints.Put(t.Context(), "ep_1", []byte("an endpoint's secret")); err != nil {
		t.Fatal(err)
	}
	_, operator = bustest.Client(t, b)
	return b, operator
}

const anonymous = `CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true,"protocol":1}`

// What a service is for works with the current client, without a login on loopback and with the token.
func TestServiceMay(t *testing.T) {
	t.Parallel()
	const token = "a-token-of-the-services"
	for name, test := range map[string]struct {
		token string
		login []nats.Option
	}{
		"without a login": {"", nil},
		"with the token":  {token, []nats.Option{nats.Token(token)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := bustest.Settings(t)
			cfg.NATSToken = config.NewSecret(test.token)
			b := bustest.Open(t, cfg)
			o := outside(t, b.Server().ClientURL(), test.login...)
			for _, subject := range []string{"webhooks.>", "events.>", "jethook.ops.>"} {
				sub, err := o.SubscribeSync(subject)
				if err != nil {
					t.Fatal(err)
				}
				if refused := o.settle(t); len(refused) > 0 {
					t.Fatal(refused)
				}
				e := bustest.Event("seen " + subject)
				switch subject {
				case "webhooks.>":
				default:
					e.Source, e.Subject = "", strings.Replace(subject, ">", "a", 1)
				}
				if _, err := b.Publish(t.Context(), e); err != nil {
					t.Fatal(err)
				}
				if _, err := sub.NextMsg(30 * time.Second); err != nil {
					t.Errorf("%s: %v", subject, err)
				}
			}
			if ack, err := o.js.Publish(t.Context(), "events.b", []byte("{}")); err != nil || ack.Stream != "EVENTS" {
				t.Errorf("publishing: %+v, %v", ack, err)
			}
			consumes(t, o, "WEBHOOKS", "seen webhooks.>")
			consumes(t, o, "OPS", "seen jethook.ops.>")
			if refused := o.settle(t); len(refused) > 0 {
				t.Error(refused)
			}
		})
	}
}

// consumes reads the one message of a stream in every way that the current client has.
func consumes(t *testing.T, o *outsider, stream, id string) {
	t.Helper()
	ctx := t.Context()
	s, err := o.js.Stream(ctx, stream)
	if err != nil {
		t.Fatal(err)
	}
	got := func(how string, h nats.Header, err error) {
		t.Helper()
		if err != nil || h.Get("Jethook-Id") != id {
			t.Errorf("%s of %s: %v, %v", how, stream, h, err)
		}
	}
	if m, err := s.GetMsg(ctx, 1); err != nil {
		t.Errorf("a direct get: %v", err)
	} else {
		got("a direct get", m.Header, nil)
	}
	for how, cfg := range map[string]jetstream.ConsumerConfig{
		"a durable consumer":    {Durable: "mine", AckPolicy: jetstream.AckExplicitPolicy},
		"an ephemeral consumer": {AckPolicy: jetstream.AckExplicitPolicy},
		"a filtered consumer":   {Name: "filtered", FilterSubject: s.CachedInfo().Config.Subjects[0], AckPolicy: jetstream.AckExplicitPolicy},
	} {
		c, err := o.js.CreateConsumer(ctx, stream, cfg)
		if err != nil {
			t.Errorf("%s: %v", how, err)
			continue
		}
		m, err := c.Next(jetstream.FetchMaxWait(30 * time.Second))
		if err != nil {
			t.Errorf("%s: %v", how, err)
			continue
		}
		got(how, m.Headers(), m.DoubleAck(ctx))
		if info, err := c.Info(ctx); err != nil || info.AckFloor.Stream == 0 {
			t.Errorf("%s: %+v, %v", how, info, err)
		}
		if err := s.DeleteConsumer(ctx, c.CachedInfo().Name); err != nil {
			t.Errorf("%s: %v", how, err)
		}
	}
	ordered, err := s.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := ordered.Next()
	if err != nil {
		t.Errorf("an ordered consumer: %v", err)
	} else {
		got("an ordered consumer", m.Headers(), nil)
	}
	pushed, err := o.js.CreatePushConsumer(ctx, stream, jetstream.ConsumerConfig{
		DeliverSubject: o.NewInbox(), AckPolicy: jetstream.AckExplicitPolicy, FlowControl: true, IdleHeartbeat: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	came := make(chan jetstream.Msg, 1)
	running, err := pushed.Consume(func(m jetstream.Msg) { came <- m })
	if err != nil {
		t.Fatal(err)
	}
	defer running.Stop()
	first := <-came
	got("a push consumer", first.Headers(), first.DoubleAck(ctx))
	var names []string
	for name := range s.ConsumerNames(ctx).Name() {
		names = append(names, name)
	}
	if len(names) == 0 {
		t.Error("no consumer is listed")
	}
}

// It works with the older JetStream API of the client, whose requests are others.
func TestServiceMayByTheOldAPI(t *testing.T) {
	t.Parallel()
	b, _ := stocked(t)
	o := outside(t, b.Server().ClientURL())
	js, err := o.Conn.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	if ack, err := js.Publish("events.b", []byte("{}")); err != nil || ack.Stream != "EVENTS" {
		t.Errorf("publishing: %+v, %v", ack, err)
	}
	next := func(how string, sub *nats.Subscription, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", how, err)
			return
		}
		m, err := sub.NextMsg(30 * time.Second)
		if err == nil {
			err = m.AckSync()
		}
		if err != nil {
			t.Errorf("%s: %v", how, err)
		}
		if err := sub.Unsubscribe(); err != nil {
			t.Errorf("%s: %v", how, err)
		}
	}
	sub, err := js.SubscribeSync("webhooks.>")
	next("an ephemeral push consumer", sub, err)
	sub, err = js.SubscribeSync("webhooks.polaris.>", nats.Durable("old"), nats.ManualAck())
	next("a durable push consumer", sub, err)
	sub, err = js.QueueSubscribeSync("webhooks.>", "workers", nats.Durable("old-queue"))
	next("a queue", sub, err)
	sub, err = js.PullSubscribe("webhooks.>", "old-pull")
	if err != nil {
		t.Fatal(err)
	}
	msgs, err := sub.Fetch(1, nats.MaxWait(30*time.Second))
	if err != nil || len(msgs) != 1 || msgs[0].AckSync() != nil {
		t.Errorf("a pull consumer: %v, %v", msgs, err)
	}
	if m, err := js.GetMsg("WEBHOOKS", 1); err != nil || m.Subject != "webhooks.polaris.device.down" {
		t.Errorf("a message: %+v, %v", m, err)
	}
	if _, err := js.AccountInfo(); err != nil {
		t.Errorf("the account: %v", err)
	}
	// Of the requests that make consumers the oldest has no name in its subject.
	for _, subject := range []string{"$JS.API.CONSUMER.CREATE.EVENTS", "$JS.API.CONSUMER.DURABLE.CREATE.EVENTS.older"} {
		cfg := map[string]any{"ack_policy": "explicit", "deliver_subject": "_INBOX.older." + subject[len(subject)-3:]}
		if strings.HasSuffix(subject, "older") {
			cfg["durable_name"] = "older"
		}
		body, err := json.Marshal(map[string]any{"stream_name": "EVENTS", "config": cfg})
		if err != nil {
			t.Fatal(err)
		}
		if m, err := o.Request(subject, body, 30*time.Second); err != nil || strings.Contains(string(m.Data), `"error"`) {
			t.Errorf("%s: %v, %s", subject, err, m.Data)
		}
	}
	if refused := o.settle(t); len(refused) > 0 {
		t.Error(refused)
	}
}

// A service can publish to nothing but events, administrate nothing, and do nothing with Jethook's own consumers. Each
// of these is refused by the server, and changes nothing.
func TestServiceMayNotPublish(t *testing.T) {
	t.Parallel()
	b, operator := stocked(t)
	c := bareTo(t, b.Server().ClientURL(), anonymous)
	before := everything(t, operator)
	subjects := []string{
		"webhooks.polaris.device.down", "webhooks", "jethook.ops.endpoint.failing", "jethook.due.ep_1", "jethook.retry.ep_1.x",
		"jethook.dead.ep_1", "jethook.history.ep_1.delivered", "jethook.rejected.x", "jethook.rpc.status", "jethook.rpc.left",
		"jethook.inbox.x", "$KV.jethook_endpoints.ep_1", "$KV.jethook_sources.acme", "$SYS.REQ.SERVER.PING", "$SYS.REQ.SERVER.PING.CONNZ",
		"$SYS.REQ.USER.INFO", "$SYS.ACCOUNT.$G.CONNECT", "$NRG.AE.x", "$JS.API.ACCOUNT.PURGE.$G", "$JS.API.STREAM.LIST", "$O.x.C.y", "other",
		"$JS.API.STREAM.CREATE.MINE", "$JS.API.DIRECT.GET.KV_jethook_endpoints", "$JS.API.DIRECT.GET.DELIVERIES",
		"$JS.API.STREAM.MSG.GET.KV_jethook_endpoints", "$JS.API.STREAM.MSG.GET.HISTORY", "$JS.API.STREAM.INFO.KV_jethook_endpoints",
		"$JS.API.CONSUMER.CREATE.KV_jethook_endpoints", "$JS.API.CONSUMER.CREATE.DELIVERIES.x", "$JS.API.CONSUMER.MSG.NEXT.DELIVERIES.x",
		"$JS.API.CONSUMER.DELETE.DELIVERIES.x", "$JS.ACK.DELIVERIES.x.1.1.1.1.1", "$JS.API.CONSUMER.INFO.DELIVERIES.jethook",
	}
	for _, stream := range []string{"WEBHOOKS", "EVENTS", "OPS", "KV_jethook_endpoints"} {
		for _, verb := range []string{
			"CREATE", "UPDATE", "DELETE", "PURGE", "SNAPSHOT", "RESTORE", "MSG.DELETE", "PEER.REMOVE", "LEADER.STEPDOWN", "CANCEL_MOVE",
		} {
			subjects = append(subjects, "$JS.API.STREAM."+verb+"."+stream)
		}
		subjects = append(subjects, "$JS.API.CONSUMER.LEADER.STEPDOWN."+stream+".mine")
	}
	for _, subject := range subjects {
		if got := c.ask(pub(subject, "_INBOX.x", "{}")); !strings.Contains(got, violation(subject)) {
			t.Errorf("%s: %q", subject, got)
		}
	}
	for _, consumer := range []string{"jethook", "jethook-turns", "jethook-reader-x", "ep_ordered"} {
		for _, subject := range []string{
			"$JS.API.CONSUMER.CREATE.EVENTS.%s", "$JS.API.CONSUMER.CREATE.EVENTS.%s.events.>", "$JS.API.CONSUMER.DURABLE.CREATE.EVENTS.%s",
			"$JS.API.CONSUMER.MSG.NEXT.EVENTS.%s", "$JS.API.CONSUMER.DELETE.EVENTS.%s", "$JS.API.CONSUMER.PAUSE.EVENTS.%s",
			"$JS.API.CONSUMER.RESET.EVENTS.%s", "$JS.API.CONSUMER.UNPIN.EVENTS.%s", "$JS.ACK.EVENTS.%s.1.1.1.1700000000000000000.0",
			"$JS.FC.EVENTS.%s.x",
		} {
			subject = fmt.Sprintf(subject, consumer)
			if got := c.ask(pub(subject, "_INBOX.x", "{}")); !strings.Contains(got, violation("jethook.refused.consumer."+subject)) {
				t.Errorf("%s: %q", subject, got)
			}
		}
	}
	// Forms of acknowledgements in which stream and consumer stand elsewhere.
	for _, subject := range []string{
		"$JS.ACK._.x.EVENTS.jethook.1.1.1.1700000000000000000.0", "$JS.ACK.EVENTS.x.EVENTS.jethook.1.1.1.1700000000000000000.0.x",
		"$JS.FC._.x.EVENTS.jethook.y",
	} {
		if got := c.ask(pub(subject, "_INBOX.x", "")); !strings.Contains(got, violation(subject)) {
			t.Errorf("%s: %q", subject, got)
		}
	}
	if after := everything(t, operator); after != before {
		t.Errorf("it was %s\nand is %s", before, after)
	}
}

// everything describes all streams and consumers, as far as somebody could have changed them.
func everything(t *testing.T, js jetstream.JetStream) string {
	t.Helper()
	var out strings.Builder
	streams := js.ListStreams(t.Context())
	for info := range streams.Info() {
		fmt.Fprintf(&out, "%s %d %d\n", info.Config.Name, info.State.Msgs, info.State.LastSeq)
		s, err := js.Stream(t.Context(), info.Config.Name)
		if err != nil {
			t.Fatal(err)
		}
		for c := range s.ListConsumers(t.Context()).Info() {
			fmt.Fprintf(&out, "  %s %d %d %d %v\n", c.Name, c.Delivered.Consumer, c.AckFloor.Consumer, c.NumWaiting, c.Config.PauseUntil)
		}
	}
	if err := streams.Err(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestServiceMayNotSubscribe(t *testing.T) {
	t.Parallel()
	b, _ := stocked(t)
	c := bareTo(t, b.Server().ClientURL(), anonymous)
	for i, subject := range []string{
		">", "*.>", "$KV.>", "jethook.>", "jethook.due.>", "jethook.*.*", "jethook.inbox.>", "jethook.rpc.status", "$SYS.>", "$JS.>", "$JS.API.>",
		"$JS.EVENT.>", "$JS.ACK.>", "_R_.>", "*", "_INBOX", "_INBOX_.>",
	} {
		if got := c.ask(fmt.Sprintf("SUB %s %d\r\n", subject, i+1)); !strings.Contains(got, "-ERR 'Permissions Violation for Subscription to ") {
			t.Errorf("%s: %q", subject, got)
		}
	}
}

// A message that a service may publish names other subjects, to which the server would publish for it. None of them gets
// what was not verified to webhooks, an order to Jethook's consumers, or a record into its buckets.
func TestServiceMayNotPublishByTheServer(t *testing.T) {
	t.Parallel()
	b, operator := stocked(t)
	c := bareTo(t, b.Server().ClientURL(), anonymous)
	c.ask("SUB webhooks.> 1\r\n")
	create := func(name, config string) string {
		return fmt.Sprintf(`{"stream_name":"EVENTS","config":{"ack_policy":"none","filter_subject":"events.a",%s,"name":%q}}`, config, name)
	}
	before := everything(t, operator)
	headers := func(subject, reply, headers, body string) string {
		head := "NATS/1.0\r\n" + headers + "\r\n\r\n"
		return fmt.Sprintf("HPUB %s %s %d %d\r\n%s%s\r\n", subject, reply, len(head), len(head)+len(body), head, body)
	}
	own := pub("$JS.API.CONSUMER.CREATE.EVENTS.mine", "_INBOX.x", create("mine", `"inactive_threshold":60000000000`))
	if got := c.ask(own); strings.Contains(got, "-ERR") {
		t.Fatal(got)
	}
	for _, target := range []string{
		"webhooks.polaris.forged", "$KV.jethook_endpoints.ep_2", "jethook.due.ep_1", "jethook.inbox.x", "jethook.rpc.left",
		"$JS.API.CONSUMER.DELETE.EVENTS.jethook", "$JS.ACK.EVENTS.jethook.1.1.1.1700000000000000000.0", "_R_.x", "inbox", "_INBOX",
	} {
		reply := violation("jethook.refused.reply." + target)
		made := func(subject string) string { return violation("jethook.refused.create." + subject) }
		for name, test := range map[string]struct{ sent, want string }{
			"the answer of a stored event":  {pub("events.b", target, "{}"), reply},
			"with headers":                  {headers("events.b", target, "A: b", "{}"), reply},
			"the answer of a request":       {pub("$JS.API.STREAM.INFO.EVENTS", target, ""), reply},
			"a message by a direct get":     {pub("$JS.API.DIRECT.GET.EVENTS", target, `{"seq":1}`), reply},
			"a message by a get":            {pub("$JS.API.STREAM.MSG.GET.EVENTS", target, `{"seq":1}`), reply},
			"a pull":                        {pub("$JS.API.CONSUMER.MSG.NEXT.EVENTS.mine", target, `{"batch":1}`), reply},
			"an acknowledgement that pulls": {pub("$JS.ACK.EVENTS.mine.1.1.1.1700000000000000000.0", target, "+NXT"), reply},
			"the oldest request": {
				pub("$JS.API.CONSUMER.CREATE.EVENTS", "_INBOX.x", create("", `"deliver_subject":"`+target+`"`)), made("$JS.API.CONSUMER.CREATE.EVENTS"),
			},
			"a push consumer": {
				pub("$JS.API.CONSUMER.CREATE.EVENTS.push", "_INBOX.x", create("push", `"deliver_subject":"`+target+`"`)), made("$JS.API.CONSUMER.CREATE.EVENTS.push"),
			},
			"a durable push consumer": {
				pub("$JS.API.CONSUMER.DURABLE.CREATE.EVENTS.push", "_INBOX.x", create("push", `"durable_name":"push","deliver_subject":"`+target+`"`)),
				made("$JS.API.CONSUMER.DURABLE.CREATE.EVENTS.push"),
			},
			"another spelling": {
				headers("$JS.API.CONSUMER.CREATE.EVENTS.push", "_INBOX.x", "A: b", create("push", `"Deliver_Subject":"`+target+`"`)), made("$JS.API.CONSUMER.CREATE.EVENTS.push"),
			},
			"a second value": {
				pub("$JS.API.CONSUMER.CREATE.EVENTS.push", "_INBOX.x", create("push", `"description":"x"`)+create("push", `"deliver_subject":"`+target+`"`)), made("$JS.API.CONSUMER.CREATE.EVENTS.push"),
			},
		} {
			if got := c.ask(test.sent); !strings.Contains(got, test.want) {
				t.Errorf("%s to %s: %q", name, target, got)
			}
		}
		// The server itself looks at this one: it traces only to where the client may publish.
		c.ask(headers("events.traced", "_INBOX.x", "Nats-Trace-Dest: "+target, "{}"))
		c.ask(headers("events.traced", "_INBOX.x", "Nats-Schedule: @at 2020-01-01T00:00:00Z\r\nNats-Schedule-Target: "+target, "{}"))
	}
	// In the oldest request the consumer's name stands in the body only.
	for _, field := range []string{`"durable_name":"jethook"`, `"durable_name":"ep_ordered"`, `"name":"jethook"`} {
		body := `{"stream_name":"EVENTS","config":{"ack_policy":"explicit",` + field + `}}`
		if got := c.ask(pub("$JS.API.CONSUMER.CREATE.EVENTS", "_INBOX.x", body)); !strings.Contains(got, violation("jethook.refused.create.$JS.API.CONSUMER.CREATE.EVENTS")) {
			t.Errorf("%s: %q", field, got)
		}
	}
	posing := violation("jethook.refused.header.events.a")
	for _, head := range []string{
		"Status: 404", "Status: 409\r\nDescription: Consumer Deleted", "A: b\r\nstatus : 100", "A: b\nSTATUS:100", "Nats-Pin-Id: x",
		"A: " + strings.Repeat("x", 300<<10),
	} {
		for _, body := range []string{"", "{}"} {
			if got := c.ask(headers("events.a", "_INBOX.x", head, body)); !strings.Contains(got, posing) {
				t.Errorf("%.60q: %q", head, got)
			}
		}
	}
	if got := c.ask("HPUB events.a 16 16\r\nNATS/1.0 404\r\n\r\n\r\n"); !strings.Contains(got, posing) {
		t.Errorf("a status in the first line: %q", got)
	}
	if got := c.ask(headers("events.a", "_INBOX.x", "X-Status: 404\r\nA: Status: 1", "{}")); strings.Contains(got, "-ERR") {
		t.Errorf("other headers: %q", got)
	}
	for _, header := range []string{"Nats-Rollup: all", "Nats-Rollup: sub", "Nats-Expected-Stream: WEBHOOKS", "Nats-TTL: 1s", "Nats-Incr: 1"} {
		c.ask(headers("events.steered", "_INBOX.x", header, "{}"))
	}
	if got := c.ask(""); strings.Contains(got, "MSG ") {
		t.Errorf("on webhooks.> came %q", got)
	}
	if err := operator.DeleteConsumer(t.Context(), "EVENTS", "mine"); err != nil {
		t.Error(err)
	}
	after := everything(t, operator)
	after, before = withoutEvents(after), withoutEvents(before)
	if after != before {
		t.Errorf("it was %s\nand is %s", before, after)
	}
	s, err := operator.Stream(t.Context(), "EVENTS")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.GetMsg(t.Context(), s.CachedInfo().State.FirstSeq); err != nil {
		t.Errorf("the first event: %v", err)
	}
}

// A stream takes a thousand consumers. However many services make, however fast, there is room for Jethook's own.
func TestServicesLeaveRoomForConsumers(t *testing.T) {
	t.Parallel()
	b, operator := stocked(t)
	c := bareTo(t, b.Server().ClientURL(), anonymous)
	var all strings.Builder
	for i := range 1100 {
		name := fmt.Sprint("mine_", i)
		all.WriteString(pub("$JS.API.CONSUMER.CREATE.EVENTS."+name, "_INBOX.x", `{"stream_name":"EVENTS","config":{"ack_policy":"none","name":"`+name+`"}}`))
	}
	if got := c.ask(all.String()); !strings.Contains(got, violation("jethook.refused.consumers.$JS.API.CONSUMER.CREATE.EVENTS.mine_1099")) {
		t.Errorf("%.300q", got)
	}
	// Requests are handled one after the other: what was let through is made when this one is answered.
	if _, err := b.Consumers().OpenOrdered(t.Context(), topology.StreamEvents, "ep_late", []string{"events.>"}, time.Time{}); err != nil {
		t.Error(err)
	}
	s, err := operator.Stream(t.Context(), topology.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	if n := s.CachedInfo().State.Consumers; n < 100 || n > 510 {
		t.Errorf("there are %d consumers", n)
	}
	if got := c.ask(pub("$JS.API.CONSUMER.CREATE.WEBHOOKS.mine", "_INBOX.x", `{"stream_name":"WEBHOOKS","config":{"ack_policy":"none","name":"mine"}}`)); strings.Contains(got, "-ERR") {
		t.Errorf("another stream: %q", got)
	}
}

// withoutEvents leaves out how much EVENTS holds, which a service may change.
func withoutEvents(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "EVENTS ") {
			lines[i] = "EVENTS"
		}
	}
	return strings.Join(lines, "\n")
}

// The answers that Jethook itself gets hold secrets. Services listen to all inboxes, and see none of them.
func TestServiceSeesNoAnswersOfOthers(t *testing.T) {
	t.Parallel()
	b, _ := stocked(t)
	o := outside(t, b.Server().ClientURL())
	seen, err := o.SubscribeSync("_INBOX.>")
	if err != nil {
		t.Fatal(err)
	}
	o.settle(t)
	if e, err := b.Buckets().Endpoints.Get(t.Context(), "ep_1"); err != nil || string(e.Value()) != "an endpoint's secret" {
		t.Fatal(e, err)
	}
	if _, _, err := b.Processes().Ask(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Publish(t.Context(), bustest.Event("evt_9")); err != nil {
		t.Fatal(err)
	}
	o.settle(t)
	for {
		m, err := seen.NextMsg(0)
		if errors.Is(err, nats.ErrTimeout) || m == nil {
			break
		}
		if len(m.Data) > 0 {
			t.Errorf("it sees %s: %s", m.Subject, m.Data)
		}
	}
}

// What is not the protocol ends the connection, as does a login that nobody has; the next client is none the wiser.
func TestGateRefusesStrangers(t *testing.T) {
	t.Parallel()
	cfg := bustest.Settings(t)
	cfg.NATSToken = config.NewSecret("a-token-of-the-services")
	b := bustest.Open(t, cfg)
	for _, connect := range []string{
		anonymous, "PING", "SUB webhooks.> 1", "CONNECT", "CONNECT []", `CONNECT {"auth_token":"wrong"}`, `CONNECT {"auth_token":["a-token-of-the-services"]}`,
		`CONNECT {"Auth_Token":"a-token-of-the-services"}`, `CONNECT {"user":"jethook","pass":""}`, `CONNECT {"user":"jethook"}`,
		`CONNECT {"user":"service","pass":"x","auth_token":"a-token-of-the-services"}`, `CONNECT {"user":"a-token-of-the-services"}`,
	} {
		if got := bareTo(t, b.Server().ClientURL(), connect).ask(""); !strings.HasSuffix(got, "<end>") || !strings.Contains(got, "-ERR '") {
			t.Errorf("%s: %q", connect, got)
		}
	}
	const in = `CONNECT {"auth_token":"a-token-of-the-services","verbose":false}`
	for _, text := range []string{
		"MSG webhooks.a 1 2\r\nxx\r\n", "RMSG $G webhooks.a 2\r\nxx\r\n", "A+ x\r\n", "INFO {}\r\n", "+OK\r\n", "\r\n", "CONNECT {}\r\n",
		"PUB events.a x y z 2\r\nxx\r\n", "PUB events.a\r\n", "PUB events.a -1\r\n", "PUB events.a 2\r\nxxxx\r\n", "PUB events.a 99999999999\r\n",
		"HPUB events.a 3 2\r\nxx\r\n", "PUB events.\ra 2\r\nxx\r\n", "SUB\r\n", "PUB " + strings.Repeat("x", 1<<17) + " 0\r\n\r\n",
	} {
		if got := bareTo(t, b.Server().ClientURL(), in).ask(text); !strings.HasSuffix(got, "<end>") {
			t.Errorf("%.40q: %.200q", text, got)
		}
	}
	for _, text := range []string{"pub events.a 2\nxx\r\n", "PUB  events.a\t 2\r\nxx\r\n", "ping\r\nSUB events.> workers 7\r\nUNSUB 7 3\r\nUNSUB 7\r\n"} {
		if got := bareTo(t, b.Server().ClientURL(), in).ask(text); strings.Contains(got, "-ERR") || strings.HasSuffix(got, "<end>") {
			t.Errorf("%q: %q", text, got)
		}
	}
}

// An administrator may do everything, and the token for it is kept where only its owner reads it.
func TestAdministrator(t *testing.T) {
	t.Parallel()
	cfg := bustest.Settings(t)
	cfg.NATSAdminToken = config.Secret{}
	b := bustest.Open(t, cfg)
	token, err := cfg.EnsureNATSAdminToken()
	if err != nil {
		t.Fatal(err)
	}
	_, js := bustest.ClientOf(t, b.Server().ClientURL(), nats.Token(token.Reveal()))
	if _, err := js.Publish(t.Context(), "webhooks.a.b", nil); err != nil {
		t.Error(err)
	}
	if kv, err := js.KeyValue(t.Context(), topology.BucketEndpoints); err != nil {
		t.Error(err)
	} else if _, err := kv.Put(t.Context(), "ep_1", nil); err != nil {
		t.Error(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "MINE", Subjects: []string{"mine.>"}}); err != nil {
		t.Error(err)
	}
	if err := js.DeleteStream(t.Context(), topology.StreamHistory); err != nil {
		t.Error(err)
	}
	if _, err := nats.Connect(b.Server().ClientURL(), nats.Token(token.Reveal()+"x")); err == nil {
		t.Error("another token is let in")
	}
}

// Large messages go through whole, in both directions, and many at once.
func TestGateCarriesMuch(t *testing.T) {
	t.Parallel()
	b := bustest.Open(t, bustest.Settings(t))
	o := outside(t, b.Server().ClientURL())
	body := make([]byte, 1<<20)
	for i := range body {
		body[i] = byte(i)
	}
	sub, err := o.SubscribeSync("events.>")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	const n = 50
	for i := range n {
		if _, err := o.js.PublishAsync("events.large", body[:len(body)-i]); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil || string(m.Data) != string(body[:len(body)-i]) {
			t.Fatalf("message %d: %v", i, err)
		}
	}
	select {
	case <-o.js.PublishAsyncComplete():
	case <-ctx.Done():
		t.Error("not all are acknowledged")
	}
}
