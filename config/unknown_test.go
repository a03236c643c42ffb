package config

import (
	"slices"
	"strings"
	"testing"
)

func TestUnknown(t *testing.T) {
	t.Parallel()
	known := []string{
		"JETHOOK_LISTEN", "JETHOOK_SYNC", "JETHOOK_RETRY_SCHEDULE", "JETHOOK_SOURCES", "JETHOOK_SOURCE_POLAR_SECRET",
	}
	tests := []struct {
		name string
		want string // a part of the problem; empty: none
	}{
		{"JETHOOK_LISTEN", ""},
		{"PATH", ""},
		{"JETHOOK", ""},
		{"JETHOOK_", "is not a Jethook variable; unset it"},
		{"JETHOOK_SNYC", "did you mean JETHOOK_SYNC?"},
		{"JETHOOK_SOURCE", "did you mean JETHOOK_SOURCES?"},
		{"JETHOOK_RETRIES_SCHEDULE", "did you mean JETHOOK_RETRY_SCHEDULE?"},
		{"JETHOOK_PORT", "is not a Jethook variable; unset it"},
		{"JETHOOK_SOURCE_SECRET", "is not a Jethook variable"},
		{"JETHOOK_SOURCE_POLR_SECRET", "add the source or unset this; did you mean JETHOOK_SOURCE_POLAR_SECRET?"},
	}
	for _, tt := range tests {
		got := unknown([]string{tt.name + "=x=y"}, known).Error()
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
		if tt.name == "JETHOOK_PORT" && strings.Contains(got, "mean") {
			t.Errorf("%s: %q has a far-fetched hint", tt.name, got)
		}
	}
}

func TestUnknownLeavesKubernetesAlone(t *testing.T) {
	t.Parallel()
	environ := []string{
		"JETHOOK_SERVICE_HOST=10.0.0.1", "JETHOOK_SERVICE_PORT=8080", "JETHOOK_SERVICE_PORT_HTTP=8080",
		"JETHOOK_PORT=tcp://10.0.0.1:8080", "JETHOOK_PORT_8080_TCP_ADDR=10.0.0.1",
		"JETHOOK_NATS_SERVICE_HOST=10.0.0.2", "JETHOOK_NATS_PORT=tcp://10.0.0.2:4222",
		"JETHOOK_OTHER=1", "JETHOOK_OTHER_PORT=1",
	}
	var names []string
	for _, p := range unknown(environ, nil) {
		names = append(names, p.Variable)
	}
	if want := []string{"JETHOOK_OTHER", "JETHOOK_OTHER_PORT"}; !slices.Equal(names, want) {
		t.Errorf("unknown: %v, want %v", names, want)
	}
}
