// Package listen is the command that prints events as they arrive and forwards them to a local receiver. It reads from NATS, stores
// nothing, and retries nothing.
package listen

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"jethook/cmd/jethook/cli"
	"jethook/cmd/jethook/client"
	"jethook/config"
	"jethook/consume/admin/operation"
	"jethook/consume/attempt"
	"jethook/consume/endpoint"
	"jethook/publish/eventlog"
	"jethook/publish/query"
	"jethook/publish/topology"
)

// options are the flags of listen.
type options struct {
	version     string
	nats, since string
	forwardTo   string
	secret      string
	signature   *endpoint.SignatureSpec
	asJSON      bool
	limit       int
}

// Command returns jethook listen; the version is what receivers are told.
func Command(version string) *cobra.Command {
	o := options{version: version}
	cmd := &cobra.Command{
		Use: "listen SUBJECT", Short: "Print events as they arrive, and forward them to a local receiver",
		Long: "Print the events on a subject pattern as they arrive; > matches all webhooks and events. With --forward-to, each event is also posted to " +
			"a receiver, with the headers and signature of a real delivery. Events are forwarded one at a time and only once; a failure does not " +
			"stop the next event. Nothing is stored, and you need no endpoint.\n\n" +
			"The command reads from NATS at --nats or JETHOOK_NATS_URL, or else from the embedded server at JETHOOK_NATS_LISTEN. It logs in with " +
			"JETHOOK_NATS_TOKEN, JETHOOK_NATS_CREDS, and JETHOOK_NATS_TLS_... It reconnects automatically without missing " +
			"events. Ctrl-C ends it with a summary and exit code 0, whatever the receiver answered.",
		Example: `  jethook listen 'webhooks.polar.>'
  jethook listen 'webhooks.>' --forward-to http://localhost:3000/hook --secret-file secret
  jethook listen 'events.order.*' --since 24h --limit 10 --print-json
  jethook listen '>' --nats nats://nats.example.com:4222`,
		Args: cli.ExactArgs("SUBJECT"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if o.secret, _, err = cli.SecretFlags(cmd, "secret"); err != nil {
				return err
			}
			if o.signature, err = signatureSpec(cmd.Flags()); err != nil {
				return err
			}
			return listenTo(cmd, args[0], &o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.nats, "nats", "", "URL of the NATS server (default JETHOOK_NATS_URL, or the embedded server on this machine)")
	f.StringVar(&o.since, "since", "", "start at a time (RFC 3339), or a period ago, such as 1h (default: now)")
	f.StringVar(&o.forwardTo, "forward-to", "", "URL to post each event to; private addresses are allowed")
	cli.AddSecretFlags(f, "secret", "the secret that signs forwarded events (default: generated and printed)")
	client.AddSignatureFlags(f, "signature", "how to sign forwarded events")
	f.BoolVar(&o.asJSON, "print-json", false, "print one JSON object per line, with headers and body")
	f.BoolVar(&o.asJSON, "json", false, "same as --print-json")
	f.IntVar(&o.limit, "limit", 0, "stop after this many events; 0 means no limit")
	return cmd
}

// signatureSpec reads the flags of addSignatureFlags; nil when none is given.
func signatureSpec(f *pflag.FlagSet) (*endpoint.SignatureSpec, error) {
	fields := client.SignatureFields(f, "signature")
	if fields == nil {
		return nil, nil
	}
	var spec endpoint.SignatureSpec
	text, err := json.Marshal(fields)
	if err == nil {
		err = json.Unmarshal(text, &spec)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the signature's flags: %w", err)
	}
	return &spec, nil
}

// errEnough ends listening when as many events came as were wanted.
var errEnough = errors.New("enough")

func listenTo(cmd *cobra.Command, subject string, o *options) error {
	since, err := o.check(subject, time.Now())
	if err != nil {
		return err
	}
	target, err := o.target()
	if err != nil {
		return err
	}
	cfg, err := config.LoadFor(o.nats)
	if err != nil {
		return err
	}
	if cfg.NATSURL == "" {
		if cfg.NATSListen == "off" {
			return cli.Usagef("no NATS server to connect to: JETHOOK_NATS_LISTEN is off; pass --nats")
		}
		cfg.NATSURL = "nats://" + strings.TrimPrefix(client.URLOf(cfg.NATSListen), "http://")
	}
	feed, err := eventlog.OpenFeed(cfg, cli.NewLogger(cfg, cmd.ErrOrStderr()))
	if errors.Is(err, nats.ErrNoServers) {
		return errors.New("no NATS server answers; is 'jethook serve' running? If it runs elsewhere, set JETHOOK_NATS_URL or pass --nats")
	}
	if err != nil {
		return err
	}
	defer feed.Close()

	l := listener{out: cmd.OutOrStdout(), asJSON: o.asJSON, limit: o.limit, target: target}
	if target != nil {
		l.client = forwarder(cfg, o.version)
		defer l.client.Close()
	}
	ready := func() { o.announce(cmd.ErrOrStderr(), subject, target) }
	err = feed.Follow(cmd.Context(), subject, since, ready, func(h *eventlog.Head) error { return l.take(cmd.Context(), h) })
	fmt.Fprintln(cmd.ErrOrStderr(), l.summary())
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// check finds what is wrong with the flags, and returns since when events are wanted.
func (o *options) check(subject string, now time.Time) (since time.Time, err error) {
	since, ok := operation.ParseTime(o.since, now)
	_, bad := query.EventsOn(subject)
	switch {
	case bad != nil || subject == "":
		err = fmt.Errorf("SUBJECT %w", topology.ErrBadPattern)
	case !ok:
		err = errors.New("--since must be a time such as 2026-01-02T15:04:05Z, or a period such as 24h")
	case o.limit < 0:
		err = errors.New("--limit must not be negative")
	case o.forwardTo == "" && (o.secret != "" || o.signature != nil):
		err = errors.New("--secret and --signature require --forward-to")
	default:
		return since, nil
	}
	return since, cli.Usage(err)
}

// everywhere allows every address: whoever runs this on a laptop chose where to.
var everywhere = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}

// fieldFlags name the flags behind the fields of an endpoint.
var fieldFlags = map[string]string{
	"url": "--forward-to", "secret": "--secret", "signature": "--signature", "signature.scheme": "--signature",
	"signature.like": "--signature-like", "signature.header": "--signature-header", "signature.algorithm": "--signature-algorithm",
	"signature.encoding": "--signature-encoding", "signature.prefix": "--signature-prefix", "signature.template": "--signature-template",
	"signature.signed": "--signature-signed", "signature.timestamp": "--signature-timestamp",
}

// target returns an endpoint that is like a real one but for its address; nil when nothing is forwarded.
func (o *options) target() (*endpoint.Endpoint, error) {
	if o.forwardTo == "" {
		return nil, nil
	}
	name := "listen"
	spec := &endpoint.Spec{Name: &name, URL: &o.forwardTo, Events: []string{"events.>"}}
	if o.secret != "" {
		spec.Secret = &o.secret
	}
	spec.Signature = o.signature
	e, err := endpoint.New(spec, endpoint.NewAddressPolicy(everywhere), time.Now())
	if problems, ok := errors.AsType[endpoint.Problems](err); ok {
		flag, known := fieldFlags[problems[0].Field]
		if !known {
			flag = problems[0].Field
		}
		return nil, cli.Usagef("%s %s", flag, problems[0].Message)
	}
	return &e, err
}

func forwarder(cfg *config.Config, version string) *attempt.Client {
	return attempt.NewClient(attempt.Options{
		AllowedNetworks: everywhere, Timeout: cfg.DeliveryTimeout, UserAgent: "jethook/" + version,
	})
}

// announce says that nothing is missed any more, and the secret if it was made here.
func (o *options) announce(w io.Writer, subject string, target *endpoint.Endpoint) {
	if target != nil && o.secret == "" {
		fmt.Fprintln(w, "Signing with", target.Secrets[0].Value.Reveal())
	}
	fmt.Fprintf(w, "Listening to %s; press Ctrl-C to stop.\n", subject)
}

// listener prints and forwards one event after the other.
type listener struct {
	out    io.Writer
	asJSON bool
	limit  int
	target *endpoint.Endpoint // nil: nothing is forwarded
	client *attempt.Client

	events, delivered, failed int
}

// take handles one event. An error ends listening.
func (l *listener) take(ctx context.Context, h *eventlog.Head) error {
	l.events++
	if !l.asJSON { // before it is forwarded, which may take long
		if err := l.print(cli.Stamp(&h.Time), h.Subject, h.ID, cli.Counted(h.Size, "byte")); err != nil {
			return err
		}
	}
	var res *attempt.Result
	if l.target != nil {
		res = l.forward(ctx, h)
	}
	var err error
	switch {
	case l.asJSON:
		err = printHeard(l.out, h, res)
	case res != nil:
		err = l.print(answerLine(res))
	}
	if err == nil && l.events == l.limit {
		return errEnough
	}
	return err
}

// print writes a line at once.
func (l *listener) print(cells ...any) error {
	var line bytes.Buffer
	cli.Row(&line, cells...)
	if _, err := l.out.Write(line.Bytes()); err != nil {
		return fmt.Errorf("printing an event: %w", err)
	}
	return nil
}

// forward makes the request that a real delivery would be, once.
func (l *listener) forward(ctx context.Context, h *eventlog.Head) *attempt.Result {
	res := l.client.Do(ctx, attempt.Request{
		Endpoint: l.target, EventID: h.ID, EventType: h.Type, Subject: h.Subject,
		ContentType: h.ContentType, Traceparent: h.Traceparent, Source: h.Source, Received: h.Received,
		Header: h.Forward, Body: h.Body, Attempt: 1,
	})
	switch res.Verdict {
	case attempt.Delivered:
		l.delivered++
	case attempt.Failed, attempt.Gone:
		l.failed++
	}
	return &res
}

func (l *listener) summary() string {
	if l.target == nil {
		return cli.Counted(l.events, "event")
	}
	return fmt.Sprintf("%s: %d delivered, %d failed", cli.Counted(l.events, "event"), l.delivered, l.failed)
}
