// Package demo is the command that shows what Jethook does: five senders, a bus, and a receiver that fails first. What it runs
// is a real Jethook, which package main opens.
package demo

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"jethook/cmd/jethook/cli"
	"jethook/config"
	"jethook/config/quantity"
	"jethook/consume/dashboard/session"
	"jethook/consume/endpoint"
	"jethook/consume/registry"
)

// schedule replaces the default schedule, which nobody wants to watch.
var schedule = quantity.Schedule{2 * time.Second, 3 * time.Second, 5 * time.Second}

// timeout is how long --once waits for everything to be delivered.
const timeout = time.Minute

// Jethook is what the demo shows.
type Jethook struct {
	Run       func(context.Context) error // until the context ends; it closes what was opened
	Close     func()                      // closes what was opened and never ran
	Endpoints *registry.Registry
	Token     config.Secret
	NATS      string // URL
	Public    string // address that webhooks are received at
	Admin     string // address of the admin API
	Dashboard string // URL without a slash at its end
}

// Open opens a Jethook that receives and delivers.
type Open func(context.Context, *config.Config, *slog.Logger) (*Jethook, error)

// Command returns jethook demo.
func Command(version string, open Open) *cobra.Command {
	var once bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run a demo: five senders, and a receiver that fails first",
		Long: "Run a demo that needs nothing else installed: an embedded NATS server in a temporary directory, a local receiver " +
			"that fails first and then recovers, and the signed sample requests of five senders. " +
			"Every step is printed as it happens. The demo runs until Ctrl-C, so that you can send more.",
		Example: "  jethook demo\n  jethook demo --once   # exit when everything is delivered",
		Args:    cli.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			d := &demo{version: version, open: open, out: &printer{w: cmd.OutOrStdout()}, senders: senders()}
			return d.run(cmd.Context(), cmd.ErrOrStderr(), once)
		},
	}
	cmd.Flags().BoolVar(&once, "once", false, "exit with code 0 when everything is delivered")
	return cmd
}

// demo is the running show.
type demo struct {
	out      *printer
	version  string
	open     Open
	jethook  *Jethook
	receiver *receiver
	client   *nats.Conn
	senders  []sender
}

func (d *demo) run(ctx context.Context, stderr io.Writer, once bool) (err error) {
	dir, err := os.MkdirTemp("", "jethook-demo-")
	if err != nil {
		return fmt.Errorf("creating a temporary directory: %w", err)
	}
	defer os.RemoveAll(dir)
	d.out.title("The demo of Jethook, version %s", d.version)
	if err := d.start(ctx, dir, stderr); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return d.jethook.Run(gctx) })
	g.Go(func() error { return d.receiver.serve(gctx) })
	g.Go(func() error {
		if once {
			defer stop()
		}
		return d.show(gctx, once)
	})
	err = g.Wait()
	stop()
	d.client.Close()
	return err
}

// start opens the bridge, the receiver, and a subscriber that knows nothing of Jethook.
func (d *demo) start(ctx context.Context, dir string, stderr io.Writer) (err error) {
	cfg := config.Default()
	cfg.DataDir = dir
	cfg.RetrySchedule = schedule
	cfg.AllowedNetworks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	for _, s := range d.senders {
		cfg.Sources = append(cfg.Sources, config.Source{
			Name: s.name, Provider: s.name, Secrets: []config.Secret{config.NewSecret(s.secret)},
		})
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	if d.jethook, err = d.tryAddresses(ctx, cfg, log); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			d.jethook.Close()
		}
	}()
	d.out.say("An embedded NATS server stores everything in %s", dir)
	d.out.say("Services can subscribe at %s", d.jethook.NATS)
	if d.client, err = nats.Connect(d.jethook.NATS); err != nil {
		return fmt.Errorf("connecting a subscriber: %w", err)
	}
	if d.receiver, err = newReceiver(d.out); err != nil {
		return err
	}
	name, url := "demo receiver", d.receiver.url()
	ep, err := endpoint.New(&endpoint.Spec{
		Name: &name, URL: &url, Events: []string{"webhooks.>", "events.>"},
	}, endpoint.NewAddressPolicy(cfg.AllowedNetworks), time.Now())
	if err != nil {
		return fmt.Errorf("creating the endpoint: %w", err)
	}
	if err := d.receiver.trust(ep.Secrets[0].Value.Reveal()); err != nil {
		return err
	}
	if _, err := d.jethook.Endpoints.Create(ctx, ep); err != nil {
		return fmt.Errorf("storing the endpoint: %w", err)
	}
	d.out.say("The endpoint %s delivers webhooks.> and events.> to %s", ep.ID, ep.URL)
	d.out.say("It answers 503 to every first attempt and then recovers; the retry schedule here is %s (default %s)",
		cfg.RetrySchedule, config.Default().RetrySchedule)
	return nil
}

// tryAddresses opens Jethook on the usual addresses as far as they are free, and on any when another program, or another
// demo, was faster.
func (d *demo) tryAddresses(ctx context.Context, cfg *config.Config, log *slog.Logger) (*Jethook, error) {
	cfg.Listen, cfg.AdminListen = freeAddress("127.0.0.1:8080"), freeAddress("127.0.0.1:8081")
	cfg.NATSListen = freeAddress("127.0.0.1:4222")
	j, err := d.open(ctx, cfg, log)
	// The embedded server tells its errors as text alone.
	if err != nil && strings.Contains(err.Error(), "address already in use") {
		cfg.Listen, cfg.AdminListen, cfg.NATSListen = anyAddress, anyAddress, anyAddress
		j, err = d.open(ctx, cfg, log)
	}
	return j, err
}

const anyAddress = "127.0.0.1:0"

// freeAddress returns the address if it can be listened on, and else one with a free port.
func freeAddress(address string) string {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return anyAddress
	}
	l.Close()
	return address
}

// show plays the demo: send, watch, sum up.
func (d *demo) show(ctx context.Context, once bool) error {
	_, err := d.client.Subscribe("webhooks.>", func(m *nats.Msg) {
		d.out.say("  bus       a plain NATS subscriber got %s (%s)", m.Subject, cli.Counted(len(m.Data), "byte"))
	})
	if err != nil {
		return fmt.Errorf("subscribing: %w", err)
	}
	if err := d.client.Flush(); err != nil {
		return fmt.Errorf("subscribing: %w", err)
	}
	d.out.title("Five senders send the sample requests from their documentation")
	for _, s := range d.senders {
		if err := d.send(ctx, s); err != nil {
			return err
		}
	}
	d.out.title("Waiting for the retries")
	select {
	case <-d.receiver.all(len(d.senders)):
	case <-time.After(timeout):
		return fmt.Errorf("not every event was delivered within %s", timeout)
	case <-ctx.Done():
		return nil
	}
	d.out.title("All %d events are delivered: none lost, each signed, each with the same webhook-id on every attempt", len(d.senders))
	if !once {
		d.printMore()
	}
	return nil
}

// send makes one sender's request.
func (d *demo) send(ctx context.Context, s sender) error {
	url := "http://" + d.jethook.Public + "/webhooks/" + s.name
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(s.body))
	if err != nil {
		return fmt.Errorf("creating the request of %s: %w", s.name, err)
	}
	req.Header.Set("Content-Type", "application/json")
	s.sign(req, s.body, s.secret)
	d.out.say("  %-9s POST %s", s.name, url)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("sending as %s: %w", s.name, err)
	}
	res.Body.Close()
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("sending as %s: got status %s", s.name, res.Status)
	}
	d.out.say("  %-9s got %s: the event is stored", s.name, res.Status)
	return nil
}

// printMore tells how to go on from here.
func (d *demo) printMore() {
	admin := "http://" + d.jethook.Admin
	notify := d.senders[2]
	d.out.title("Send more: any body will do, since openssl signs it")
	d.out.say(`  BODY='{"event":"connection.updated","event_id":"evt_'$RANDOM'","data":{}}'`)
	d.out.say(`  curl -i http://%s/webhooks/notify -H 'Content-Type: application/json' -d "$BODY" \`, d.jethook.Public)
	d.out.say(`    -H "x-notify-signature: $(printf %%s "$BODY" | openssl dgst -sha256 -hmac %s -r | cut -d' ' -f1)"`, notify.secret)
	d.out.title("Ask the admin API what became of the events")
	d.out.say("  curl %s/api/v1/deliveries -H 'Authorization: Bearer %s'", admin, d.jethook.Token.Reveal())
	d.out.title("Or ask with the commands, in another terminal")
	d.out.say("  export JETHOOK_ADMIN_LISTEN=%s JETHOOK_ADMIN_TOKEN=%s", d.jethook.Admin, d.jethook.Token.Reveal())
	d.out.say("  jethook status")
	d.out.say("  jethook delivery ls")
	d.out.title("Or open the dashboard; this link signs you in, once, within ten minutes")
	d.out.say("  %s", d.jethook.Dashboard+session.LoginPath(d.jethook.Token, time.Now()))
	d.out.title("The admin API is at %s, and %s/docs describes it. Press Ctrl-C to stop the demo.", admin, admin)
}

// printer prints whole lines from many goroutines.
type printer struct {
	mu sync.Mutex // guards w
	w  io.Writer
}

func (p *printer) say(format string, a ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintln(p.w, strings.TrimRight(fmt.Sprintf(format, a...), "\n"))
}

func (p *printer) title(format string, a ...any) { p.say("\n"+format, a...) }
