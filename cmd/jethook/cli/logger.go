package cli

import (
	"io"
	"log/slog"

	"jethook/config"
)

// NewLogger returns a logger in the format of JETHOOK_LOG_FORMAT: by default text on a terminal and JSON otherwise.
func NewLogger(cfg *config.Config, w io.Writer) *slog.Logger {
	opts := &slog.HandlerOptions{Level: cfg.LogLevel}
	if writesText(cfg, w) {
		return slog.New(slog.NewTextHandler(w, opts))
	}
	return slog.New(slog.NewJSONHandler(w, opts))
}

func writesText(cfg *config.Config, w io.Writer) bool {
	return cfg.LogFormat == config.LogText || cfg.LogFormat == config.LogAuto && IsTerminal(w)
}
