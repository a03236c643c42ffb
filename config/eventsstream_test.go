package config

import (
	"strings"
	"testing"
)

func TestEventsStream(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		stream   string
		subjects []string
		want     string // a part of the reason; empty: no problem
	}{
		{"", nil, ""},
		{"ORDERS", nil, ""},
		{"ORDERS", []string{"orders.>", "users.*.created", ">"}, ""},
		{"", []string{"orders.>"}, "JETHOOK_EVENTS_SUBJECTS: requires JETHOOK_EVENTS_STREAM"},
		{"orders.>", nil, "no stream"},
		{"my orders", nil, "no stream"},
		{"ORDERS", []string{"orders.>.paid"}, "no subject pattern"},
		{"ORDERS", []string{"orders.paid*"}, "no subject pattern"},
		{"ORDERS", []string{"orders..paid"}, "no subject pattern"},
		{"ORDERS", []string{""}, "no subject pattern"},
	} {
		var p Problems
		checkEventsStream(&p, &Config{EventsStream: tt.stream, EventsSubjects: tt.subjects})
		if got := p.Error(); (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%q %q: %q, want %q", tt.stream, tt.subjects, got, tt.want)
		}
	}
}
