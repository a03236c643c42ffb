// Package quantity is sizes, times and rates in the form in which operators write them.
package quantity

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Sync is how often the embedded server writes its store through to the disk: 0 before each acknowledgement,
// else at this interval.
type Sync time.Duration

// String returns "always" or the interval.
func (s Sync) String() string {
	if s == 0 {
		return "always"
	}
	return Short(time.Duration(s))
}

// UnmarshalText reads "always" or an interval of at least 1ms. On an error s keeps its value.
func (s *Sync) UnmarshalText(text []byte) error {
	word := strings.TrimSpace(string(text))
	if word == "always" {
		*s = 0
		return nil
	}
	interval, err := time.ParseDuration(word)
	if err != nil || interval < time.Millisecond {
		return fmt.Errorf("%q is neither always nor an interval of 1ms or more, such as 2m", word)
	}
	*s = Sync(interval)
	return nil
}

// Dedup is for how long a source's ids are remembered. The zero value leaves that to the provider.
type Dedup time.Duration

// NoDedup means that every request is an event of its own.
const NoDedup Dedup = -1

// String is the form that [Dedup.UnmarshalText] reads, empty for the zero value.
func (d Dedup) String() string {
	switch d {
	case 0:
		return ""
	case NoDedup:
		return "false"
	}
	return Short(time.Duration(d))
}

// UnmarshalText reads "false" or a duration of at least 100ms. On an error d keeps its value.
func (d *Dedup) UnmarshalText(text []byte) error {
	word := strings.TrimSpace(string(text))
	if word == "false" {
		*d = NoDedup
		return nil
	}
	length, err := time.ParseDuration(word)
	if err != nil || length < MinDedup {
		return fmt.Errorf("%q is neither false nor a duration of %s or more, such as 10s", word, MinDedup)
	}
	*d = Dedup(length)
	return nil
}

// MinDedup is the least that nats-server can remember ids for.
const MinDedup = 100 * time.Millisecond

// Bytes is a size in bytes.
type Bytes int64

// byteUnits are the units of a size, the largest first.
var byteUnits = []struct {
	name string
	size Bytes
}{
	{"GiB", 1 << 30},
	{"GB", 1e9},
	{"MiB", 1 << 20},
	{"MB", 1e6},
	{"KiB", 1 << 10},
	{"KB", 1e3},
	{"B", 1},
}

// String returns the size in the largest binary unit that divides it, such as "8MiB" or "500B".
func (b Bytes) String() string {
	for _, unit := range byteUnits {
		if strings.HasSuffix(unit.name, "iB") && b != 0 && b%unit.size == 0 {
			return fmt.Sprintf("%d%s", int64(b/unit.size), unit.name)
		}
	}
	return fmt.Sprintf("%dB", int64(b))
}

// UnmarshalText reads a whole number of bytes with an optional unit in any case: B, KB, MB and GB count in
// thousands, KiB, MiB and GiB in 1024s. On an error b keeps its value.
func (b *Bytes) UnmarshalText(text []byte) error {
	word := strings.TrimSpace(string(text))
	number, size := word, Bytes(1)
	for _, unit := range byteUnits {
		if cut := len(word) - len(unit.name); cut >= 0 && strings.EqualFold(word[cut:], unit.name) {
			number, size = strings.TrimSpace(word[:cut]), unit.size
			break
		}
	}
	n, err := strconv.ParseUint(number, 10, 63)
	if err != nil {
		return fmt.Errorf("%q is not a size: write a whole number of bytes or with a unit, such as 500, 64KiB or 8MiB", word)
	}
	if Bytes(n) > math.MaxInt64/size {
		return fmt.Errorf("%q is too large a size", word)
	}
	*b = Bytes(n) * size
	return nil
}

// maxPauses bounds a schedule, so that a delivery that never succeeds ends.
const maxPauses = 20

// Schedule is the pauses between the attempts of a delivery, each counted from the attempt before. An empty
// one means a single attempt.
type Schedule []time.Duration

// String returns the pauses as [Schedule.UnmarshalText] reads them.
func (s Schedule) String() string {
	if len(s) == 0 {
		return "none"
	}
	words := make([]string, len(s))
	for i, pause := range s {
		words[i] = Short(pause)
	}
	return strings.Join(words, ",")
}

// UnmarshalText reads 1 to 20 comma-separated pauses, each longer than 0, or "none". On an error s keeps its
// value.
func (s *Schedule) UnmarshalText(text []byte) error {
	words := Split(string(text))
	switch {
	case len(words) == 0:
		return errors.New("holds no pause: write some, such as 5m,30m, or none for a single attempt")
	case len(words) == 1 && words[0] == "none":
		*s = Schedule{}
		return nil
	case len(words) > maxPauses:
		return fmt.Errorf("%d pauses are too many: write at most %d", len(words), maxPauses)
	}
	pauses := make(Schedule, len(words))
	var bad []string
	for i, word := range words {
		var err error
		if pauses[i], err = time.ParseDuration(word); err != nil || pauses[i] <= 0 {
			bad = append(bad, strconv.Quote(word))
		}
	}
	if bad != nil {
		return fmt.Errorf("not a pause: %s; write durations longer than 0, such as 5m,30m,2h, or none for a single attempt",
			strings.Join(bad, ", "))
	}
	*s = pauses
	return nil
}

// Split returns the comma-separated items of text without the space around them and without empty ones.
func Split(text string) []string {
	var items []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// Short is d without its zero parts: 5m, where d.String gives 5m0s.
func Short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
