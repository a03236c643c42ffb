package config

import (
	"fmt"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"jethook/config/quantity"
)

// LogLevel is the least severe level that is logged. It is a [slog.Leveler].
type LogLevel slog.Level

// Level returns the level for slog.
func (l LogLevel) Level() slog.Level { return slog.Level(l) }

// String returns the level's name.
func (l LogLevel) String() string { return strings.ToLower(l.Level().String()) }

// UnmarshalText reads debug, info, warn or error. On an error l keeps its value.
func (l *LogLevel) UnmarshalText(text []byte) error {
	word := strings.TrimSpace(string(text))
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		if strings.EqualFold(word, level.String()) {
			*l = LogLevel(level)
			return nil
		}
	}
	return fmt.Errorf("%q is not a log level: write debug, info, warn or error", word)
}

// LogFormat is how log lines are written.
type LogFormat string

// The formats of log lines.
const (
	LogAuto LogFormat = "auto" // text on a terminal, else JSON
	LogText LogFormat = "text"
	LogJSON LogFormat = "json"
)

// UnmarshalText reads auto, text or json. On an error f keeps its value.
func (f *LogFormat) UnmarshalText(text []byte) error {
	switch word := LogFormat(strings.ToLower(strings.TrimSpace(string(text)))); word {
	case LogAuto, LogText, LogJSON:
		*f = word
		return nil
	default:
		return fmt.Errorf("%q is not a log format: write text, json or auto", string(word))
	}
}

func parseBool(text string) (bool, error) {
	word := strings.TrimSpace(text)
	b, err := strconv.ParseBool(word)
	if err != nil {
		return false, fmt.Errorf("%q is neither true nor false", word)
	}
	return b, nil
}

func parseInt(text string) (int, error) {
	word := strings.TrimSpace(text)
	n, err := strconv.Atoi(word)
	if err != nil {
		return 0, fmt.Errorf("%q is not a whole number", word)
	}
	return n, nil
}

func parseDuration(text string) (time.Duration, error) {
	word := strings.TrimSpace(text)
	d, err := time.ParseDuration(word)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration: write one such as 30s, 5m or 168h", word)
	}
	return d, nil
}

// parseNetworks reads comma-separated networks, where an address alone means just that address.
func parseNetworks(text string) ([]netip.Prefix, error) {
	var networks []netip.Prefix
	var bad []string
	for _, word := range quantity.Split(text) {
		network, err := netip.ParsePrefix(word)
		if addr, notAddr := netip.ParseAddr(word); notAddr == nil {
			network, err = netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()), nil
		}
		if err != nil {
			bad = append(bad, strconv.Quote(word))
			continue
		}
		networks = append(networks, network.Masked())
	}
	if bad != nil {
		return nil, fmt.Errorf("not a network: %s; write CIDR or addresses, such as 10.0.0.0/8,192.168.1.5",
			strings.Join(bad, ", "))
	}
	return networks, nil
}
