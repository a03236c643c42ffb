// Package format gives an event the form that an endpoint takes: as it is, as a CloudEvent, or as a message of a chat
// service that its readers can read and that calls nobody.
//
// It makes bytes of bytes: it sends nothing, and signs nothing.
package format

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/net/http/httpguts"

	"jethook/consume/endpoint"
	"jethook/consume/notice"
	"jethook/publish/crashpoint"
	"jethook/publish/jsontext"
	"jethook/publish/topology"
)

// TypeJSON is the content type of JSON.
const TypeJSON = "application/json"

const typeBinary = "application/octet-stream"

// Event is what there is to say of an event.
type Event struct {
	ID, Type, Subject string
	ContentType       string // empty: JSON if the body is, else application/octet-stream
	Source            string // the sender of a webhook; empty for an internal event
	Received          time.Time
	Header            map[string]string // its own, for its receivers
	Body              []byte            // is not changed
}

// maxMessage is the longest text of a chat message. Discord takes no more
// (https://docs.discord.com/developers/resources/webhook#execute-webhook); Slack would cut at 40,000
// (https://docs.slack.dev/reference/methods/chat.postMessage), but that is nothing to read in a channel. It
// counts UTF-16 units, which are never fewer than characters: whichever of the two a service counts, it fits.
const maxMessage = 2000

// chat is how one chat service wants its messages.
type chat struct {
	bold   string
	fields map[string]bool // all fields of a message
	escape *strings.Replacer
	wrap   func(text string) any // the message with this text
	sound  func(object) bool     // reports whether the service takes a message
	quiet  func(object) bool     // lets a message call nobody but whom it names as those it may, and reports whether that changed it
}

// chats are the services that have a format.
var chats = map[endpoint.Format]*chat{
	// https://docs.slack.dev/messaging/formatting-message-text says what to escape.
	endpoint.FormatSlack: {
		bold: "*",
		fields: set("text", "blocks", "attachments", "username", "icon_emoji", "icon_url", "channel", "thread_ts",
			"reply_broadcast", "mrkdwn", "unfurl_links", "unfurl_media", "link_names", "parse", "metadata", "response_type",
			"replace_original", "delete_original", allowedMentions),
		escape: strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;"),
		wrap: func(text string) any {
			return struct {
				Text string `json:"text"`
			}{text}
		},
		sound: slackSound, quiet: slackQuiet,
	},
	// https://docs.discord.com/developers/resources/webhook#execute-webhook
	endpoint.FormatDiscord: {
		bold: "**",
		fields: set("content", "embeds", "components", "poll", "username", "avatar_url", "tts", "allowed_mentions",
			"flags", "thread_name", "applied_tags", "attachments"),
		escape: strings.NewReplacer(),
		wrap: func(text string) any {
			return struct {
				Content         string          `json:"content"`
				AllowedMentions json.RawMessage `json:"allowed_mentions"`
			}{text, noMentions}
		},
		sound: discordSound, quiet: discordQuiet,
	},
}

// noMentions keeps a message from calling anybody on a Discord server.
var noMentions = json.RawMessage(`{"parse":[]}`)

func set(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, name := range names {
		m[name] = true
	}
	return m
}

// In returns the body that an endpoint with this format gets, and its content type.
//
// For a chat service that is a message with the event's type, id and body, and of an operational event a sentence
// that says what happened. The body of an event on events.> that is a message of that service already, made of its
// fields alone and within its limits, goes out as it is, so that who publishes the event can write it; one that the
// service would refuse is shown as any event is. Nothing calls anybody, but such a message may say whom it calls. A webhook's body is
// never such a message: its sender is somebody else, and must not be able to speak to a team as it likes, or to call everybody.
func (e *Event) In(f endpoint.Format) (body []byte, contentType string) {
	crashpoint.Reach("form-", string(f), e.Body)
	if f == endpoint.FormatCloudEvents {
		return e.structured()
	}
	c, ok := chats[f]
	if !ok {
		return e.Body, e.rawType()
	}
	if strings.HasPrefix(e.Subject, topology.EventsPrefix) {
		if message, ok := c.passed(e.Body); ok {
			return message, TypeJSON
		}
	}
	text, ok := notice.Sentence(e.Subject, e.Body, c.line)
	if !ok {
		text = c.compose(e)
	}
	message, _ := json.Marshal(c.wrap(text)) // strings always can
	return message, TypeJSON
}

// rawType is the event's content type. Services that publish over NATS seldom give one, and most receivers
// parse a body only when it says that it is JSON: so it says so if it is.
func (e *Event) rawType() string {
	switch {
	case e.ContentType != "" && httpguts.ValidHeaderFieldValue(e.ContentType):
		return e.ContentType
	case jsontext.Valid(e.Body):
		return TypeJSON
	default:
		return typeBinary
	}
}

// compose renders an event as text: its type and id, and its body in a code block, cut to fit.
func (c *chat) compose(e *Event) string {
	const fence = "```"
	head := c.line(e.Type)
	head = c.bold + head + c.bold + "  `" + c.line(e.ID) + "`\n" + fence + "\n"
	mark := fmt.Sprintf("\n... (cut; the event has %d bytes)", len(e.Body))
	text, whole := c.fit(e.readable(), maxMessage-units(head)-units(mark)-units(fence)-1)
	if !whole {
		text += mark
	}
	return head + text + "\n" + fence
}

// line makes text from outside, such as an event's type or id, safe in a line of the message: it can't end a code
// span, nor call anybody, and is no longer than 128 characters.
func (c *chat) line(s string) string {
	const most = 128
	s = strings.ReplaceAll(s, "@", "@\u200b") // a space without width
	s, _ = c.fit(strings.Map(func(r rune) rune {
		if r == '`' || r == '*' || unicode.IsControl(r) {
			return '_'
		}
		return r
	}, s), most)
	return s
}

// fit escapes text and cuts it to a number of UTF-16 units, never within a character or an escape. It
// returns false if it cut.
func (c *chat) fit(text string, most int) (string, bool) {
	var b strings.Builder
	for _, r := range text {
		piece := c.escape.Replace(string(r))
		if most -= units(piece); most < 0 {
			return b.String(), false
		}
		b.WriteString(piece)
	}
	return b.String(), true
}

// readable is the part of an event's body that may be shown, as text that can't end the code block it will
// stand in. It is longer than a message, if the body is, but not by much.
func (e *Event) readable() string {
	const most = 4 * maxMessage
	var text string
	switch {
	case !utf8.Valid(e.Body):
		return fmt.Sprintf("(%d bytes of %s)", len(e.Body), e.rawType())
	case jsontext.Valid(e.Body):
		text = string(indent(e.Body, most))
	default:
		text = string(e.Body[:min(len(e.Body), most)])
	}
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	// A space without width after every second backtick.
	return strings.ReplaceAll(text, "``", "`\u200b`")
}

// units counts UTF-16 units.
func units(s string) int {
	n := 0
	for _, r := range s {
		n += max(utf16.RuneLen(r), 1)
	}
	return n
}
