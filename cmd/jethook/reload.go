package main

import (
	"cmp"
	"context"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"jethook/config"
	"jethook/config/certificate"
	"jethook/ingest"
)

// reloadEvery is how often the files of secrets are looked at. Reading a few small files costs less than watching the
// folders behind the links that Kubernetes swaps.
const reloadEvery = 2 * time.Second

// reloader takes over what the files of secrets and certificates hold now, while the process goes on.
type reloader struct {
	log    *slog.Logger
	hangUp chan os.Signal
	cfg    atomic.Pointer[config.Config] // with the secrets of now
	check  func(*config.Config) config.Problems
	apply  func(*config.Config)

	certificates map[string]*certificate.Certificate // by variable

	problems atomic.Pointer[string] // what was wrong at the last look
}

// newReloader returns one that SIGHUP does not kill any more. Stop must be called.
func newReloader(cfg *config.Config, parts part, log *slog.Logger) *reloader {
	r := &reloader{log: log, hangUp: make(chan os.Signal, 1), certificates: make(map[string]*certificate.Certificate)}
	r.cfg.Store(cfg)
	r.problems.Store(new(string))
	r.check = func(cfg *config.Config) config.Problems {
		if parts&receiving == 0 {
			return nil
		}
		return ingest.Check(cfg.Sources)
	}
	signal.Notify(r.hangUp, syscall.SIGHUP)
	return r
}

func (r *reloader) stop() { signal.Stop(r.hangUp) }

// run looks at the files until ctx ends, and at once after SIGHUP.
func (r *reloader) run(ctx context.Context) error {
	tick := time.NewTicker(reloadEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.hangUp:
			r.log.Info("reading the files of secrets and certificates again", "signal", "SIGHUP")
		case <-tick.C:
		}
		r.look()
	}
}

func (r *reloader) look() {
	next, problems := r.cfg.Load().Reload(r.check)
	if next != nil {
		r.cfg.Store(next)
		r.apply(next)
		r.log.Info("took over secrets from files that changed")
	}
	for variable, c := range r.certificates {
		switch changed, err := c.Reload(); {
		case err != nil:
			problems = append(problems, config.Problem{Variable: variable, Reason: err.Error() + "; keeping the certificate that was there before"})
		case changed:
			r.log.Info("took over a certificate that changed", "variable", variable)
		}
	}
	slices.SortFunc(problems, func(a, b config.Problem) int { return cmp.Compare(a.Variable, b.Variable) })
	text := ""
	if len(problems) > 0 {
		text = problems.Error()
	}
	if before := *r.problems.Swap(&text); text == before {
		return
	}
	for _, p := range problems {
		r.log.Error("cannot take over what a file holds", "variable", p.Variable, "reason", p.Reason)
	}
	if len(problems) == 0 {
		r.log.Info("all files can be used again")
	}
}

// warning is a word for the readiness probe; empty: all is well.
func (r *reloader) warning() string {
	if *r.problems.Load() == "" {
		return ""
	}
	return "files of secrets or certificates can't be used, see the log"
}

// renewSecrets hands the secrets of a configuration to whoever uses them.
func (b *bridge) renewSecrets(cfg *config.Config) {
	b.bus.SetTokens(cfg)
	if b.ingest != nil {
		if err := b.ingest.Renew(cfg.Sources); err != nil {
			b.log.Error("cannot use the new secrets of a source", "error", err)
		}
	}
	write := cfg.AdminToken
	if write.IsZero() { // the one that was made
		write = b.token
	}
	b.admin.SetTokens(write, cfg.AdminReadToken)
	b.dashboard.SetTokens(write, cfg.AdminReadToken)
}
