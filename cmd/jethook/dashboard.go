package main

import (
	"jethook/cmd/jethook/client"
	"jethook/cmd/jethook/verify"
	"jethook/config"
	"jethook/consume/dashboard"
)

// mountDashboard puts the pages around the admin API.
func (b *bridge) mountDashboard(cfg *config.Config) {
	b.base = cfg.AdminBasePath
	o := dashboard.Options{
		Config: cfg, Bus: b.bus, Registry: b.endpoints, API: b.admin, Token: b.token, Version: version(), Log: b.log.With("component", "dashboard"),
	}
	if b.ingest != nil {
		o.Explain = verify.NewExplainer(b.reload.cfg.Load, b.bus).Explain
	}
	b.dashboard = dashboard.New(o)
	b.admin.Mount(b.dashboard.Around)
}

// dashboardURL is where a browser on this machine finds the dashboard, without a slash at its end.
func (b *bridge) dashboardURL() string {
	return client.Secured(client.URLOf(b.private.Addr().String()), b.reload.cfg.Load().AdminTLSCert != "") + string(b.base)
}
