package attempt

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"jethook/publish/jsontext"
)

// maxRetryAfter bounds the pause that a receiver can ask for. The schedule bounds it further.
const maxRetryAfter = 168 * time.Hour

// retryAfter reads a Retry-After header: whole seconds, or a date. What is neither, or past, asks for nothing.
// https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
func retryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if date, err := http.ParseTime(value); err == nil {
		return bounded(date.Sub(now))
	}
	var seconds int64
	for i := range len(value) {
		if value[i] < '0' || value[i] > '9' {
			return 0
		}
		// Bounded at each digit, so that no number of them overflows.
		seconds = min(seconds*10+int64(value[i]-'0'), int64(maxRetryAfter/time.Second))
	}
	return time.Duration(seconds) * time.Second
}

// discordRetryAfter reads the pause from the body of Discord's 429, in seconds with fractions; its header has
// them rounded. https://docs.discord.com/developers/topics/rate-limits
func discordRetryAfter(body []byte) time.Duration {
	if !jsontext.Valid(body) {
		return 0
	}
	seconds := gjson.GetBytes(body, "retry_after")
	if seconds.Type != gjson.Number {
		return 0
	}
	return secondsOf(seconds.Num)
}

func bounded(d time.Duration) time.Duration { return min(max(d, 0), maxRetryAfter) }

// Allowance is how many requests more a receiver takes, by its answer.
type Allowance struct {
	Remaining int
	Reset     time.Duration // until it takes as many as at first
}

// allowanceOf reads Discord's X-RateLimit- headers; nil if they are not there or not sound. Others give these names other
// meanings. https://docs.discord.com/developers/topics/rate-limits#header-format
func allowanceOf(h http.Header) *Allowance {
	remaining, err := strconv.Atoi(h.Get("X-Ratelimit-Remaining"))
	if err != nil || remaining < 0 {
		return nil
	}
	seconds, err := strconv.ParseFloat(h.Get("X-Ratelimit-Reset-After"), 64)
	if err != nil || math.IsNaN(seconds) {
		return nil
	}
	return &Allowance{Remaining: remaining, Reset: secondsOf(seconds)}
}

// secondsOf is a pause in seconds with fractions, rounded up and bounded before it is converted: a float beyond an integer's
// range converts to anything.
func secondsOf(seconds float64) time.Duration {
	return bounded(time.Duration(math.Ceil(min(max(seconds, 0), maxRetryAfter.Seconds())*1000)) * time.Millisecond)
}
