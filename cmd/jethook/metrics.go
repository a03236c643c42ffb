package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"jethook/config"
	"jethook/config/listener"
	"jethook/consume/admin"
	"jethook/publish/report"
)

const (
	// scrapesAtOnce bounds how much memory those take that scrape, and scrapeTimeout their time: Prometheus waits for 10 s
	// if it is not told otherwise.
	scrapesAtOnce = 8
	scrapeTimeout = 9 * time.Second
)

// newMetrics returns the metrics of what the bridge runs. What it shows of the bus is added once the admin API is there.
func (b *bridge) newMetrics(cfg *config.Config) *prometheus.Registry {
	r := prometheus.NewRegistry()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "jethook_build_info", Help: "1, with the version of Jethook and of Go that it is built with.",
		ConstLabels: prometheus.Labels{"version": version(), "go_version": runtime.Version()},
	})
	build.Set(1)
	r.MustRegister(build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), b.bus.Metrics())
	if b.engine.Load() != nil {
		r.MustRegister(engineMetrics{b})
	}
	if b.ingest != nil {
		r.MustRegister(b.ingest.Collector(cfg.MetricsSeries))
	}
	return r
}

// openAdmin opens the admin API and the metrics, which are a part of it unless they have a listener of their own.
func (b *bridge) openAdmin(cfg *config.Config, o admin.Options) (err error) {
	registry := b.newMetrics(cfg)
	b.metrics = metricsHandler(registry, b.log)
	if cfg.MetricsListen == "" {
		o.Metrics = b.metrics
	} else if b.measured, err = listenOn("JETHOOK_METRICS_LISTEN", cfg.MetricsListen); err != nil {
		return err
	}
	if o.TLS, err = b.certificate("JETHOOK_ADMIN_TLS_CERT", cfg.AdminTLSCert, cfg.AdminTLSKey); err != nil {
		return err
	}
	b.admin = admin.New(o)
	b.mountDashboard(cfg)
	registry.MustRegister(b.admin.Gauges(b.endpointNames(cfg)))
	b.private, err = listenOn("JETHOOK_ADMIN_LISTEN", cfg.AdminListen)
	return err
}

// endpointNames are those of the endpoints that have metrics of their own.
func (b *bridge) endpointNames(cfg *config.Config) *report.Names {
	if e := b.engine.Load(); e != nil {
		return e.Names()
	}
	return report.NewNames(cfg.MetricsSeries)
}

// metricsHandler answers /metrics. What can't be told is left out, and logged.
func metricsHandler(r *prometheus.Registry, log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn), ErrorHandling: promhttp.ContinueOnError,
		MaxRequestsInFlight: scrapesAtOnce, Timeout: scrapeTimeout,
	})
}

// serveMetrics answers /metrics on the listener of METRICS_LISTEN until ctx ends.
func (b *bridge) serveMetrics(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", b.metrics)
	server := &http.Server{
		Handler: mux, ReadTimeout: 5 * time.Second, WriteTimeout: 2 * scrapeTimeout, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10,
	}
	if err := listener.Serve(ctx, server, b.measured, scrapeTimeout, b.log); err != nil {
		return fmt.Errorf("serving metrics: %w", err)
	}
	return nil
}
