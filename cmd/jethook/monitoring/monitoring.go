// Package monitoring holds what an operator's Prometheus and Grafana make of Jethook's metrics: alert rules and a
// dashboard, which the binary prints. Tests hold each name in them against what the binary serves, and the rules
// against scenes of what they are to find.
package monitoring

import _ "embed"

// Dashboard is a Grafana dashboard, which asks for its data source when it is imported.
//
//go:embed grafana.json
var Dashboard string

// Alerts are Prometheus alert rules.
//
//go:embed alerts.yaml
var Alerts string
