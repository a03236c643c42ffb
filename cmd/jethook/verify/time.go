package verify

import (
	"time"
)

// near is enough to tell a unit by: the next one is decades off.
func near(t, now time.Time) bool {
	const month = 31 * 24 * time.Hour
	return t.Sub(now).Abs() < month
}
