package cli

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"jethook/config"
)

// A terminal gets text, and what collects logs JSON, unless the operator chooses.
func TestLogFormat(t *testing.T) {
	t.Parallel()
	for format, want := range map[config.LogFormat]string{config.LogAuto: "{", config.LogJSON: "{", config.LogText: "time="} {
		var out bytes.Buffer
		NewLogger(&config.Config{LogFormat: format}, &out).Info("hello")
		if !strings.HasPrefix(out.String(), want) {
			t.Errorf("%v wrote %s", format, out.String())
		}
	}
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("there is no terminal: %v", err)
	}
	defer terminal.Close()
	if !writesText(&config.Config{LogFormat: config.LogAuto}, terminal) || writesText(&config.Config{LogFormat: config.LogJSON}, terminal) {
		t.Error("a terminal does not get what it should")
	}
}
