package endpoint

import (
	"fmt"
	"strings"
	"time"

	"jethook/config/quantity"
)

// Format is the form in which an endpoint gets the event's body.
type Format string

// The formats.
const (
	FormatRaw     Format = "raw"     // the event's bytes, unchanged
	FormatSlack   Format = "slack"   // a Slack message
	FormatDiscord Format = "discord" // a Discord message
	// FormatCloudEvents is a CloudEvent in structured mode, JSON with the event in it.
	FormatCloudEvents Format = "cloudevents"
)

// Duration is a time.Duration that is written like "1h30m".
type Duration time.Duration

// String returns the duration without its zero parts: 5m, where time.Duration gives 5m0s.
func (d Duration) String() string { return quantity.Short(time.Duration(d)) }

// MarshalText returns what String does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what time.ParseDuration does.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(strings.TrimSpace(string(text)))
	if err != nil {
		return fmt.Errorf("%q is not a duration: write one such as 30s, 5m or 2h", text)
	}
	*d = Duration(parsed)
	return nil
}

// Rate is how many deliveries an endpoint takes in a time.
type Rate = quantity.Rate

// serviceRates are what chat services take for one webhook.
var serviceRates = map[Format]Rate{
	FormatSlack: {Count: 1, Per: time.Second}, // https://docs.slack.dev/apis/web-api/rate-limits
	// Discord names no number and tells it in each answer (https://docs.discord.com/developers/topics/rate-limits): this one.
	FormatDiscord: {Count: 5, Per: 2 * time.Second},
}

// Rate is the endpoint's rate limit, its own or that of the chat service behind it; nil: none.
func (e *Endpoint) Rate() *Rate {
	if r, ok := serviceRates[e.Format]; ok && e.RateLimit == nil {
		return &r
	}
	return e.RateLimit
}
