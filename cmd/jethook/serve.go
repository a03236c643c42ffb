package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"jethook/cmd/jethook/cli"
	"jethook/cmd/jethook/client"
	"jethook/cmd/jethook/demo"
	"jethook/config"
	"jethook/config/keyring"
	"jethook/consume"
	"jethook/consume/admin"
	"jethook/consume/dashboard"
	"jethook/consume/registry"
	"jethook/consume/rehearsal"
	"jethook/ingest"
	"jethook/publish"
	"jethook/publish/report"
	"jethook/publish/trace"
)

// part is a half of the bridge; a process runs one or both.
type part int

const (
	receiving part = 1 << iota
	delivering
)

func serveCommand() *cobra.Command {
	return bridgeCommand("serve", "Receive webhooks and deliver events in one process", receiving|delivering,
		`  # everything in one process, with the embedded NATS server
  JETHOOK_SOURCES=polar JETHOOK_SOURCE_POLAR_SECRET=polar_whs_... jethook serve`)
}

func ingestCommand() *cobra.Command {
	return bridgeCommand("ingest", "Only receive webhooks", receiving,
		`  # run as many as you need, on a NATS cluster
  JETHOOK_NATS_URL=nats://nats:4222 JETHOOK_SOURCES=polar JETHOOK_SOURCE_POLAR_SECRET=polar_whs_... jethook ingest`)
}

func consumeCommand() *cobra.Command {
	return bridgeCommand("consume", "Only deliver events to endpoints", delivering,
		`  # run as many as you need, on a NATS cluster
  JETHOOK_NATS_URL=nats://nats:4222 jethook consume`)
}

func bridgeCommand(use, short string, parts part, example string) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Example: example, Args: cli.ExactArgs(),
		Long: short + ".\n\nConfigure it with JETHOOK_ environment variables; 'jethook help config' lists them. " +
			"Logs are text on a terminal and JSON otherwise; set JETHOOK_LOG_FORMAT to text or json to choose. " +
			"On SIGTERM or Ctrl-C it finishes the requests in flight and stops; a second signal stops it immediately.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadBridge(parts)
			if err != nil {
				return err
			}
			b, err := openBridge(cmd.Context(), cfg, parts, cli.NewLogger(cfg, cmd.ErrOrStderr()))
			if err != nil {
				return err
			}
			return b.run(cmd.Context())
		},
	}
}

// loadBridge reads the settings and reports all that is wrong with them, the sources' senders included.
func loadBridge(parts part) (*config.Config, error) {
	cfg, err := config.Load()
	problems, ok := errors.AsType[config.Problems](err)
	if err != nil && !ok {
		return nil, err
	}
	if parts&receiving != 0 {
		for _, p := range ingest.Check(cfg.Sources) {
			if !slices.ContainsFunc(problems, func(known config.Problem) bool { return known.Variable == p.Variable }) {
				problems = append(problems, p)
			}
		}
	}
	if problems = append(problems, trace.Check()...); len(problems) > 0 {
		return nil, problems
	}
	return cfg, nil
}

// bridge is a running Jethook: the bus, and the parts of it that this process runs.
type bridge struct {
	log       *slog.Logger
	linger    time.Duration // for how long it serves after it was told to stop
	leaving   atomic.Bool   // it was told to stop
	bus       *publish.Bus
	endpoints *registry.Registry             // nil unless delivering
	engine    atomic.Pointer[consume.Engine] // nil unless delivering
	newEngine func() *consume.Engine
	ingest    *ingest.Server // nil unless receiving
	public    net.Listener   // nil unless receiving
	paths     []string       // where the sources' webhooks are received
	admin     *admin.Server
	dashboard *dashboard.Server
	private   net.Listener
	token     config.Secret
	reload    *reloader
	tracer    *trace.Tracer         // nil: nothing is traced
	base      config.BasePath       // of the admin listener, behind a proxy
	report    func() report.Process // of how this process fares
	metrics   http.Handler
	measured  net.Listener // where METRICS_LISTEN says; nil: /metrics is on the private one
}

// openBridge opens everything that can fail, so that a wrong setting ends the start and not the run.
func openBridge(ctx context.Context, cfg *config.Config, parts part, log *slog.Logger) (b *bridge, err error) {
	b = &bridge{log: log, linger: cfg.ShutdownDelay, reload: newReloader(cfg, parts, log)}
	b.reload.apply = b.renewSecrets
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	if b.token, err = cfg.EnsureAdminToken(); err != nil {
		return b, err
	}
	if b.tracer, err = trace.Open(version(), log.With("component", "trace")); err != nil {
		return b, err
	}
	if b.bus, err = publish.Open(ctx, cfg, log); err != nil {
		return b, err
	}
	ctx, release := b.bus.Guard(ctx)
	defer func() {
		if lacks := release(); lacks != nil { // whatever else failed for that
			err = lacks
		}
	}()
	if c := b.bus.Server().Certificate(); c != nil {
		b.reload.certificates["JETHOOK_NATS_LISTEN_TLS_CERT"] = c
	}
	if parts&receiving != 0 {
		if err = b.openIngest(ctx, cfg); err != nil {
			return b, err
		}
	}
	if parts&delivering != 0 {
		if err = b.openEngine(ctx, cfg); err != nil {
			return b, err
		}
	}
	b.report = b.reporter(parts)
	o := admin.Options{
		Config: cfg, Bus: b.bus, Registry: b.endpoints, Token: b.token,
		Version: version(), Log: log.With("component", "admin"), Senders: verifications(cfg.Sources),
		Warning: b.warning, Ready: b.ready, Tracer: b.tracer,
	}
	if b.ingest != nil {
		o.Reverify, o.Sample = b.ingest.Reverify, b.ingest.Sample
	}
	return b, b.openAdmin(cfg, o)
}

// openIngest opens what receives.
func (b *bridge) openIngest(ctx context.Context, cfg *config.Config) (err error) {
	if err = b.bus.MayReceive(ctx, cfg); err != nil {
		return err
	}
	if b.ingest, err = b.newIngest(cfg); err != nil {
		return err
	}
	if b.public, err = listenOn("JETHOOK_LISTEN", cfg.Listen); err != nil {
		return err
	}
	for _, s := range cfg.Sources {
		b.paths = append(b.paths, "/webhooks/"+s.Name)
	}
	return nil
}

// openEngine opens what delivers. Endpoints that can't be read are no reason to end: webhooks are still received.
func (b *bridge) openEngine(ctx context.Context, cfg *config.Config) (err error) {
	if err = b.bus.MayDeliver(ctx); err != nil {
		return err
	}
	keys, err := keyring.New(cfg.EncryptionKeys)
	if err != nil {
		return err
	}
	if b.endpoints, err = registry.Open(ctx, b.bus.Buckets().Endpoints, keys, b.log); err != nil {
		return err
	}
	if err := b.endpoints.Locked(); err != nil {
		b.log.Error("cannot read the endpoints; delivering nothing, events wait", "error", err)
		return nil
	}
	child, err := rehearsal.Self("rehearse")
	if err != nil {
		return err
	}
	b.newEngine = func() *consume.Engine {
		e := consume.New(b.bus, b.endpoints, cfg, version(), b.log.With("component", "consume"))
		e.Rehearse(child...)
		e.Trace(b.tracer)
		return e
	}
	b.engine.Store(b.newEngine())
	return nil
}

// openDemo opens what the demo shows.
func openDemo(ctx context.Context, cfg *config.Config, log *slog.Logger) (*demo.Jethook, error) {
	b, err := openBridge(ctx, cfg, receiving|delivering, log)
	if err != nil {
		return nil, err
	}
	return &demo.Jethook{
		Run: b.run, Close: b.close, Endpoints: b.endpoints, Token: b.token, NATS: b.bus.Server().ClientURL(),
		Public: b.public.Addr().String(), Admin: b.private.Addr().String(), Dashboard: b.dashboardURL(),
	}, nil
}

func (b *bridge) newIngest(cfg *config.Config) (*ingest.Server, error) {
	bus, log := b.bus, b.log
	secure, err := b.certificate("JETHOOK_TLS_CERT", cfg.TLSCert, cfg.TLSKey)
	if err != nil {
		return nil, err
	}
	o := ingest.Options{
		Ready: b.ready, Leaving: b.leaving.Load, Tracer: b.tracer,
		Sources: cfg.Sources, Publisher: bus, Learner: bus.Sources(), MaxBody: bus.Limits().Body, Room: bus.Limits().Room, Proxies: cfg.TrustedProxies,
		Log: log.With("component", "ingest"), DedupWindow: cfg.DedupWindow, TLS: secure,
	}
	if cfg.RejectedMaxBytes > 0 {
		o.Rejecter = bus.Rejected()
	}
	for _, doubt := range ingest.Doubts(cfg.Sources) {
		o.Log.Warn("a source's secret may be wrong", "variable", doubt.Variable, "reason", doubt.Reason)
	}
	return ingest.New(o)
}

func listenOn(variable, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", variable, err)
	}
	return l, nil
}

// run serves until ctx ends, then finishes what is in flight, and closes the bus last.
func (b *bridge) run(ctx context.Context) error {
	defer b.close()
	ctx, cancel := b.lingering(ctx)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	if b.ingest != nil {
		g.Go(func() error { return b.ingest.Serve(ctx, b.public) })
		g.Go(func() error { return b.ingest.Follow(ctx) })
		b.log.Info("receiving webhooks", "listen", b.public.Addr().String(), "paths", b.paths)
		if len(b.paths) == 0 {
			b.log.Warn("no sources configured; every webhook is refused. Set JETHOOK_SOURCES and JETHOOK_SOURCE_<NAME>_SECRET")
		}
	}
	if b.engine.Load() != nil {
		g.Go(func() error { return b.deliver(ctx) })
		b.log.Info("delivering events", "endpoints", len(b.endpoints.All()))
	}
	g.Go(func() error { return b.reload.run(ctx) })
	g.Go(func() error { return b.bus.Watch(ctx) })
	g.Go(func() error { return b.bus.Moving().Watch(ctx) })
	g.Go(func() error { return b.bus.Processes().Answer(ctx, b.report) })
	g.Go(func() error { return b.admin.Serve(ctx, b.private) })
	if b.measured != nil {
		g.Go(func() error { return b.serveMetrics(ctx) })
		b.log.Info("serving metrics", "listen", b.measured.Addr().String())
	}
	g.Go(func() error { return b.dashboard.Run(ctx) })
	b.log.Info("started", "version", version(), "admin", b.private.Addr().String(), "dashboard", b.dashboardURL()+"/", "nats", b.bus.Server().ClientURL())
	err := g.Wait()
	b.log.Info("stopped")
	return err
}

// lingering returns a context that ends some time after ctx does. Until then the process serves as before, and says that it
// is not ready: those who send to it have time to learn that.
func (b *bridge) lingering(ctx context.Context) (late context.Context, cancel context.CancelFunc) {
	late, end := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		b.leaving.Store(true)
		if b.linger > 0 {
			b.log.Info("stopping; serving until load balancers know", "delay", b.linger.String())
		}
		select {
		case <-time.After(b.linger):
		case <-late.Done():
		}
		end()
	})
	return late, func() { stop(); end() }
}

// errLeaving means that the process was told to stop.
var errLeaving = errors.New("shutting down")

// ready is why the process should get no work now.
func (b *bridge) ready(ctx context.Context) error {
	if b.leaving.Load() {
		return errLeaving
	}
	err := b.bus.Ready(ctx)
	if e := b.engine.Load(); e != nil {
		err = errors.Join(err, e.Ready())
	}
	return err
}

// close frees whatever was opened.
func (b *bridge) close() {
	b.reload.stop()
	for _, l := range []net.Listener{b.public, b.private, b.measured} {
		if l != nil {
			l.Close() // a server that ran on it has closed it already
		}
	}
	if b.bus != nil {
		b.bus.Close()
	}
	b.tracer.Close()
}

func healthCommand() *cobra.Command {
	return &cobra.Command{
		Use: "health", Short: "Check whether the configured Jethook is alive",
		Long: "Check whether the configured Jethook is alive, for container health checks. " +
			"The command requests /healthz at JETHOOK_ADMIN_LISTEN and exits with code 0 if it answers.",
		Example: "  jethook health",
		Args:    cli.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := config.Load()
			if err != nil {
				return err
			}
			return checkHealth(cmd.Context(), cfg)
		},
	}
}

// errUnhealthy means that something answers, but not as a healthy Jethook does.
var errUnhealthy = errors.New("not healthy")

func checkHealth(ctx context.Context, cfg *config.Config) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	url, transport, err := client.Reach(cfg, cfg.AdminListen)
	if err != nil {
		return fmt.Errorf("checking health: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/healthz", nil)
	if err != nil {
		return fmt.Errorf("checking health: %w", err)
	}
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return fmt.Errorf("checking health: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%w: status %d", errUnhealthy, res.StatusCode)
	}
	return nil
}
