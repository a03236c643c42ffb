package main

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"jethook/cmd/jethook/bench"
	"jethook/cmd/jethook/bench/server"
	"jethook/cmd/jethook/cli"
	"jethook/config/quantity"
)

func benchCommand() *cobra.Command {
	group := &cobra.Command{
		Use: "bench", Short: "Measure throughput and latency, compared with a bare baseline", RunE: cli.NeedsCommand,
		Long: "Measure throughput and latency on this machine, compared with a bare baseline that does the minimum of the same work. Compare the ratios, " +
			"because absolute figures depend on the machine.\n\n" +
			"The command starts its own Jethook with a store in a temporary directory and removes both at the end; it ignores JETHOOK_ variables. " +
			"Set TMPDIR to a directory on the disk to measure. Load generator, receiver, and Jethook share this machine's cores.",
	}
	group.PersistentFlags().Bool("json", false, "print JSON")
	group.AddCommand(benchIngestCommand(), benchDeliverCommand(), benchBareCommand())
	return group
}

func benchIngestCommand() *cobra.Command {
	o := bench.IngestOptions{Body: 1024}
	cmd := &cobra.Command{
		Use: "ingest", Short: "Measure how fast webhooks are verified and stored",
		Long: "Measure how fast webhooks are verified and stored, and the same load on a bare Echo handler that verifies them and stores nothing. " +
			"Each connection sends its next request when the previous one is answered.\n\n" +
			"With --url, measure a running Jethook. It keeps the events, so configure a separate source for the benchmark, " +
			"with provider hmac and ID=header:X-Id.",
		Example: `  jethook bench ingest
  jethook bench ingest --connections 256 --duration 30s --compare-sync
  jethook bench ingest --url http://10.0.0.5:8080/webhooks/bench --secret-file secret`,
		Args: cli.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runBench(cmd, &o, &o.Secret, benchFlags{
				secret: "secret", running: "url", remote: []string{"secret", "secret-file"}, own: []string{"sync", "compare-sync", "mode", "sources"},
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.URL, "url", "", "URL of a source of a running Jethook, instead of starting one")
	cli.AddSecretFlags(f, "secret", "the secret of the source at --url")
	f.StringVar(&o.Header, "header", "X-Signature", "the header that carries the signature, in hex")
	f.StringVar(&o.IDHeader, "id-header", "X-Id", "the header that carries the event's id")
	f.StringVar(&o.Mode, "mode", "serve", "the command to measure: serve or ingest")
	f.BoolVar(&o.CompareSync, "compare-sync", false, "also measure the opposite of --sync: with fsync before each answer, or without")
	f.IntVar(&o.Sources, "sources", 1, "number of sources that the connections share")
	f.IntVar(&o.Connections, "connections", 64, "number of concurrent requests")
	f.DurationVar(&o.Duration, "duration", 10*time.Second, "how long to measure Jethook, and then the bare handler")
	loadFlags(cmd, &o.Body, &o.Sync)
	return cmd
}

func benchDeliverCommand() *cobra.Command {
	o := bench.DeliverOptions{Body: 1024}
	cmd := &cobra.Command{
		Use: "deliver", Short: "Measure how fast events reach HTTP endpoints",
		Long: "Measure how fast events published over NATS reach HTTP endpoints in this process. Every endpoint gets every event. " +
			"The exit code is 1 if an event does not arrive at a healthy endpoint. " +
			"With bad endpoints, the same load is first measured without them.\n\n" +
			"Without --rate, events queue up, and the latency is mostly queueing time.\n\n" +
			"With --admin, measure a running Jethook. The command removes its endpoints afterward; its events stay until JETHOOK_RETENTION ends, " +
			"and other endpoints that subscribe to them get them too. " +
			"JETHOOK_ALLOWED_NETWORKS of that Jethook must contain the receiver's address unless it is public.",
		Example: `  jethook bench deliver
  jethook bench deliver --endpoints 100 --events 10000
  jethook bench deliver --endpoints 20 --slow 0.1 --failing 0.1 --rate 500 --events 10000
  jethook bench deliver --endpoints 2 --refusing 0.5
  jethook bench deliver --admin http://10.0.0.5:8081 --token-file token --nats nats://10.0.0.5:4222 \
    --receiver-listen 0.0.0.0:9000 --receiver-url http://10.0.0.9:9000`,
		Args: cli.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runBench(cmd, &o, &o.Token, benchFlags{
				secret: "token", running: "admin", own: []string{"sync"},
				remote: []string{"token", "token-file", "nats", "receiver-listen", "receiver-url"},
			})
		},
	}
	deliverFlags(cmd, &o)
	return cmd
}

func deliverFlags(cmd *cobra.Command, o *bench.DeliverOptions) {
	f := cmd.Flags()
	f.StringVar(&o.Admin, "admin", "", "the admin API of a running Jethook, instead of starting one")
	cli.AddSecretFlags(f, "token", "the token of the admin API")
	f.StringVar(&o.NATS, "nats", "", "the NATS server of the Jethook at --admin; the URL may contain a login")
	f.StringVar(&o.ReceiverListen, "receiver-listen", "127.0.0.1:0", "the address where this process receives deliveries")
	f.StringVar(&o.ReceiverURL, "receiver-url", "", "the URL at which the Jethook at --admin reaches this process, if not --receiver-listen")
	f.IntVar(&o.Events, "events", 100_000, "number of events to publish")
	f.IntVar(&o.Endpoints, "endpoints", 1, "number of endpoints, each of which gets every event")
	f.Float64Var(&o.Slow, "slow", 0, "the share of endpoints that answer late, 0 to 1")
	f.DurationVar(&o.SlowFor, "slow-for", 20*time.Second, "how late slow endpoints answer")
	f.Float64Var(&o.Failing, "failing", 0, "the share of endpoints that answer 500, 0 to 1")
	f.Float64Var(&o.Refusing, "refusing", 0, "the share of endpoints that refuse connections, 0 to 1")
	f.Float64Var(&o.Rate, "rate", 0, "events to publish per second; 0 means as fast as possible")
	f.IntVar(&o.Batch, "batch", 0, "events to publish per atomic batch; 0 means 250 if every publish costs an fsync, else 1")
	f.DurationVar(&o.Timeout, "timeout", 30*time.Second, "how long to wait for the next arrival")
	loadFlags(cmd, &o.Body, &o.Sync)
}

// loadFlags adds what every bench is asked for.
func loadFlags(cmd *cobra.Command, body *quantity.Bytes, sync *quantity.Sync) {
	f := cmd.Flags()
	f.Var(textFlag{body, "size"}, "body", "the size of a body, such as 500 or 64KiB")
	f.Var(textFlag{sync, "sync"}, "sync", "JETHOOK_SYNC of the Jethook to measure: always, or an interval such as 2m")
}

// benchBareCommand runs the bare handler, which bench starts as a process of its own.
func benchBareCommand() *cobra.Command {
	var o server.BareOptions
	cmd := &cobra.Command{
		Use: server.BareCommand, Short: "Run the handler that verifies and stores nothing", Hidden: true, Args: cli.ExactArgs(),
		Example: "  jethook bench bare --listen 127.0.0.1:9000 --secret-file secret",
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if o.Secret, _, err = cli.SecretFlags(cmd, "secret"); err != nil {
				return err
			}
			return server.ServeBare(cmd.Context(), o)
		},
	}
	cli.AddSecretFlags(cmd.Flags(), "secret", "the key of the signature")
	cmd.Flags().StringVar(&o.Listen, "listen", "127.0.0.1:0", "the address to listen on")
	cmd.Flags().StringVar(&o.Header, "header", "X-Signature", "the header that carries the signature, in hex")
	return cmd
}

// benchFlags are the names of flags that say what a bench measures.
type benchFlags struct {
	running     string   // names a Jethook that runs already
	remote, own []string // those that mean nothing without it, and beside it
	secret      string   // see [cli.SecretFlags]
}

func (b benchFlags) check(cmd *cobra.Command) error {
	var problems []error
	refuse := func(flags []string, format string) {
		for _, flag := range flags {
			if cmd.Flags().Changed(flag) {
				problems = append(problems, fmt.Errorf(format, flag, b.running))
			}
		}
	}
	if cmd.Flags().Changed(b.running) {
		refuse(b.own, "--%s applies to a Jethook that bench starts; it can't be combined with --%s")
	} else {
		refuse(b.remote, "--%s applies to a running Jethook; it requires --%s")
	}
	return errors.Join(problems...)
}

// runBench measures and prints the report.
func runBench(cmd *cobra.Command, load bench.Load, secret *string, flags benchFlags) (err error) {
	if *secret, _, err = cli.SecretFlags(cmd, flags.secret); err != nil {
		return err
	}
	if err := errors.Join(flags.check(cmd), load.Check()); err != nil {
		return cli.Usage(err)
	}
	asJSON, err := cmd.Flags().GetBool("json")
	if err != nil {
		return err
	}
	t := bench.Tools{Version: version(), Progress: cmd.ErrOrStderr()}
	// A script that reads JSON wants no lines beside it; a person who looks on does.
	if asJSON && !cli.IsTerminal(t.Progress) {
		t.Progress = nil
	}
	report, err := load.Run(cmd.Context(), t)
	if report == nil {
		return err
	}
	if !asJSON {
		return errors.Join(cli.PrintTable(cmd, report.Write), err)
	}
	text, encoding := json.MarshalIndent(report, "", "  ")
	return errors.Join(encoding, cli.Output(cmd, append(text, '\n')), err)
}

// textFlag is a flag of a type that reads itself.
type textFlag struct {
	value interface {
		encoding.TextUnmarshaler
		fmt.Stringer
	}
	kind string // names the type in help
}

func (f textFlag) String() string { return f.value.String() }

func (f textFlag) Set(text string) error { return f.value.UnmarshalText([]byte(text)) }

func (f textFlag) Type() string { return f.kind }
