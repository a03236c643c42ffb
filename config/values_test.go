package config

import "testing"

func TestLogLevels(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"debug": "debug", "WARN": "warn", "info": "info", "error": "error", "info+1": "", "": "",
	} {
		level := LogLevel(7)
		before := level.String()
		err := level.UnmarshalText([]byte(text))
		if err != nil && want == "" {
			want = before
		}
		if level.String() != want || (err != nil) != (want == before) {
			t.Errorf("%q is %q, want %q: %v", text, level, want, err)
		}
	}
}
