package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"jethook/cmd/jethook/monitoring"
)

// metricName finds the metrics that an expression asks for.
var metricName = regexp.MustCompile(`\b(?:jethook|process|go)_[a-z_]+\b`)

// expressions returns every string that stands at a key, however deep.
func expressions(v any, key string) (found []string) {
	switch v := v.(type) {
	case map[string]any:
		for k, inner := range v {
			if text, ok := inner.(string); ok && k == key {
				found = append(found, text)
			}
			found = append(found, expressions(inner, key)...)
		}
	case []any:
		for _, inner := range v {
			found = append(found, expressions(inner, key)...)
		}
	}
	return found
}

// What the dashboard and the rules ask for is served, and each metric that is served is asked for.
func TestMonitoringNames(t *testing.T) {
	t.Parallel()
	_, text, _, _ := liveMetrics(t)
	served := make(map[string]string) // by the name of a series, the metric's
	for _, line := range regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)`).FindAllStringSubmatch(text, -1) {
		served[line[1]] = line[1]
		if line[2] == "histogram" {
			for _, end := range []string{"_bucket", "_sum", "_count"} {
				served[line[1]+end] = line[1]
			}
		}
	}
	var dashboard, rules any
	if err := json.Unmarshal([]byte(monitoring.Dashboard), &dashboard); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal([]byte(monitoring.Alerts), &rules); err != nil {
		t.Fatal(err)
	}
	exprs := slices.Concat(expressions(dashboard, "expr"), expressions(rules, "expr"), expressions(dashboard, "query"))
	if len(exprs) < 40 {
		t.Fatalf("only %d expressions", len(exprs))
	}
	unused := maps.Clone(served)
	for _, expr := range exprs {
		for _, name := range metricName.FindAllString(expr, -1) {
			if served[name] == "" {
				t.Errorf("nothing serves %s: %s", name, expr)
			}
			for series := range unused {
				if served[series] == served[name] {
					delete(unused, series)
				}
			}
		}
	}
	for name := range unused {
		if strings.HasPrefix(name, "jethook_") {
			t.Errorf("neither the dashboard nor a rule shows %s", name)
		}
	}
}

// The commands print what the tests have looked at.
func TestMonitoringCommands(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"grafana": monitoring.Dashboard, "alerts": monitoring.Alerts} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), []string{"monitoring", name}, &out, &errs); code != exitOK || out.String() != want {
			t.Errorf("%s: %d, %d bytes, %s", name, code, out.Len(), &errs)
		}
	}
}

// The rules find what they are to find, and are silent while all is well: Prometheus's own tool judges.
func TestAlertRules(t *testing.T) {
	t.Parallel()
	tool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("there is no promtool here; Debian's package prometheus has it")
	}
	dir := t.TempDir()
	scenes, err := os.ReadFile("monitoring/testdata/scenes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"alerts.yaml": []byte(monitoring.Alerts), "scenes.yaml": scenes} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"check", "rules", "alerts.yaml"}, {"test", "rules", "scenes.yaml"}} {
		cmd := exec.CommandContext(t.Context(), tool, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	for _, name := range expressions(parsed(t, monitoring.Alerts), "alert") {
		if !bytes.Contains(scenes, []byte(`alertname="`+name+`"`)) {
			t.Errorf("no scene is about %s", name)
		}
	}
}

// parsed reads YAML.
func parsed(t *testing.T, text string) (v any) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}
