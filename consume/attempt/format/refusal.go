package format

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/tidwall/gjson"

	"jethook/consume/endpoint"
	"jethook/publish/jsontext"
)

// maxWhy bounds, in bytes, what is told of a refusal.
const maxWhy = 200

// slackWord is the body of Slack's refusals: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
var slackWord = regexp.MustCompile(`^[a-z][a-z_]{2,63}$`)

// slackGone are those that mean that the webhook is no more.
var slackGone = []string{"no_service", "no_service_id", "no_active_hooks", "no_team", "team_disabled", "invalid_token", "channel_not_found", "channel_is_archived"}

// Discord's codes for a webhook that is no more: https://docs.discord.com/developers/topics/opcodes-and-status-codes
const (
	discordUnknownWebhook = 10015
	discordInvalidToken   = 50027
)

// Refusal reads what a chat service says of a refusal, printable and short, and reports whether the webhook is no more.
// Services that take the same messages may answer otherwise: then the status alone counts.
func Refusal(f endpoint.Format, status int, response []byte) (why string, gone bool) {
	switch f {
	case endpoint.FormatSlack:
		word := strings.TrimSpace(string(response[:min(len(response), maxWhy)]))
		if !slackWord.MatchString(word) {
			return "", false
		}
		return word, status >= 400 && status <= 499 && slices.Contains(slackGone, word)
	case endpoint.FormatDiscord:
		unauthorized := status == http.StatusUnauthorized || status == http.StatusNotFound
		if !jsontext.Valid(response) {
			return "", unauthorized
		}
		code, message := gjson.GetBytes(response, "code"), gjson.GetBytes(response, "message")
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
	}, s[:min(len(s), maxWhy)])
	return strings.ToValidUTF8(s, "")
}
