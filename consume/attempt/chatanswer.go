package attempt

import (
	"fmt"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/tidwall/gjson"

	"jethook/consume/endpoint"
	"jethook/publish/jsontext"
)

// slackWord is the body of Slack's refusals: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
var slackWord = regexp.MustCompile(`^[a-z][a-z_]{2,63}$`)

// slackGone are those that mean that the webhook is no more.
var slackGone = []string{"no_service", "no_service_id", "no_active_hooks", "no_team", "team_disabled", "invalid_token", "channel_not_found", "channel_is_archived"}

// Discord's codes for a webhook that is no more: https://docs.discord.com/developers/topics/opcodes-and-status-codes
const (
	discordUnknownWebhook = 10015
	discordInvalidToken   = 50027
)

// chatRefusal reads what a chat service says of a refusal, and reports whether the webhook is no more. Services that take the
// same messages may answer otherwise: then the status alone counts.
func (res *Result) chatRefusal(format endpoint.Format) (why string, gone bool) {
	switch format {
	case endpoint.FormatSlack:
		word := strings.TrimSpace(string(res.Response[:min(len(res.Response), maxReason)]))
		if !slackWord.MatchString(word) {
			return "", false
		}
		return word, res.Status >= 400 && res.Status <= 499 && slices.Contains(slackGone, word)
	case endpoint.FormatDiscord:
		unauthorized := res.Status == http.StatusUnauthorized || res.Status == http.StatusNotFound
		if !jsontext.Valid(res.Response) {
			return "", unauthorized
		}
		code, message := gjson.GetBytes(res.Response, "code"), gjson.GetBytes(res.Response, "message")
		if message.Type == gjson.String {
			why = oneLine(message.Str)
		}
		if code.Type != gjson.Number || code.Num == 0 {
			return why, unauthorized
		}
		return strings.TrimSpace(fmt.Sprintf("%s (%d)", why, code.Int())), unauthorized && (code.Num == discordUnknownWebhook || code.Num == discordInvalidToken)
	default:
		return "", false
	}
}

// oneLine is a text from outside, printable and short.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s[:min(len(s), maxReason)])
	return strings.ToValidUTF8(s, "")
}

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
