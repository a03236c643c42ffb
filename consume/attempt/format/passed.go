package format

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"jethook/publish/jsontext"
)

// maxPassed bounds, in bytes, a body that is taken for a chat message as it is.
const maxPassed = 64 << 10

// Limits of a Slack message: https://docs.slack.dev/reference/block-kit/blocks and
// https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
const (
	slackTotal       = 40_000 // characters in all
	slackText        = 3_000  // of one text object
	slackField       = 2_000  // of one of a section's fields
	slackHeader      = 150
	slackFields      = 10
	slackBlocks      = 50
	slackAttachments = 100
)

// Limits of a Discord message: https://docs.discord.com/developers/resources/message#embed-object-embed-limits
const (
	discordEmbeds    = 10
	discordFields    = 25
	discordEmbedText = 6_000 // of all embeds together
	discordUsername  = 80
)

type object = map[string]any

// passed returns the message that body is already, as it may go out: made of the service's fields alone, within its
// limits, and calling nobody but whom its allowed_mentions name. It returns false for anything else, which the service
// would refuse or its readers not expect.
func (c *chat) passed(body []byte) ([]byte, bool) {
	if len(body) > maxPassed || !jsontext.Valid(body) || !utf8.Valid(body) {
		return nil, false
	}
	var message object
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if decoder.Decode(&message) != nil || message == nil {
		return nil, false
	}
	for name := range message {
		if !c.fields[name] {
			return nil, false
		}
	}
	if !c.sound(message) {
		return nil, false
	}
	if !c.quiet(message) {
		return body, true
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(message) != nil {
		return nil, false
	}
	return bytes.TrimRight(out.Bytes(), "\n"), true
}

// text is a field that holds text of at most so many characters; false if it holds anything else. Blank text is none.
func text(o object, name string, most int) (s string, ok bool) {
	v, there := o[name]
	if !there || v == nil {
		return "", true
	}
	s, ok = v.(string)
	if ok = ok && units(s) <= most; !ok || blank(s) {
		return "", ok
	}
	return s, true
}

// blank reports whether a chat service sees nothing in a text.
func blank(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsSpace(r) && !unicode.Is(unicode.Cf, r) && !unicode.IsControl(r)
	})
}

// list is a field that holds a list of at most so many objects, none of them empty; false if it holds anything else.
func list(o object, name string, most int) (items []object, ok bool) {
	v, there := o[name]
	if !there || v == nil {
		return nil, true
	}
	all, ok := v.([]any)
	if !ok || len(all) > most {
		return nil, false
	}
	for _, item := range all {
		one, ok := item.(object)
		if !ok || len(one) == 0 {
			return nil, false
		}
		items = append(items, one)
	}
	return items, true
}

// slackSound reports whether Slack takes a message.
func slackSound(m object) bool {
	text, ok := text(m, "text", slackTotal)
	blocks, okBlocks := list(m, "blocks", slackBlocks)
	attachments, okAttachments := list(m, "attachments", slackAttachments)
	if !ok || !okBlocks || !okAttachments || text == "" && len(blocks)+len(attachments) == 0 {
		return false
	}
	total := 0
	eachString(m, func(s string) { total += units(s) })
	if total > slackTotal || slices.ContainsFunc(blocks, badBlock) {
		return false
	}
	for _, a := range attachments {
		inner, ok := list(a, "blocks", slackBlocks)
		if !ok || slices.ContainsFunc(inner, badBlock) || !anyOf(a, "blocks", "text", "fallback", "pretext", "title", "fields", "image_url", "author_name", "footer") {
			return false
		}
	}
	return true
}

// badBlock reports whether Slack answers invalid_blocks for one.
func badBlock(block object) bool {
	kind, ok := block["type"].(string)
	if !ok || kind == "" {
		return true
	}
	switch kind {
	case "section":
		fields, ok := list(block, "fields", slackFields)
		if !ok || !anyOf(block, "text", "fields") || slices.ContainsFunc(fields, func(o object) bool { return badText(o, slackField) }) {
			return true
		}
	case "header":
		o, ok := block["text"].(object)
		if !ok || badText(o, slackHeader) {
			return true
		}
	}
	bad := false
	eachObject(block, func(o object) {
		if kind := o["type"]; kind == "plain_text" || kind == "mrkdwn" {
			bad = bad || badText(o, slackText)
		}
	})
	return bad
}

func badText(o object, most int) bool {
	s, ok := text(o, "text", most)
	return !ok || s == ""
}

// discordSound reports whether Discord takes a message.
func discordSound(m object) bool {
	content, ok := text(m, "content", maxMessage)
	embeds, okEmbeds := list(m, "embeds", discordEmbeds)
	name, okName := text(m, "username", discordUsername)
	if !ok || !okEmbeds || !okName || m["username"] != nil && name == "" {
		return false
	}
	if content == "" && len(embeds) == 0 && !anyOf(m, "components", "poll") {
		return false
	}
	total := 0
	for _, e := range embeds {
		n, ok := embedText(e)
		if total += n; !ok {
			return false
		}
	}
	return total <= discordEmbedText
}

// embedText counts the characters of an embed; false if it is not one that Discord takes.
func embedText(e object) (total int, ok bool) {
	ok = anyOf(e, "title", "description", "fields", "image", "thumbnail", "video", "author", "footer")
	count := func(o object, name string, most int) string {
		s, fits := text(o, name, most)
		total += units(s)
		ok = ok && fits
		return s
	}
	inner := func(name string) object {
		o, _ := e[name].(object)
		return o
	}
	count(e, "title", 256)
	count(e, "description", 4096)
	count(inner("footer"), "text", 2048)
	count(inner("author"), "name", 256)
	fields, fits := list(e, "fields", discordFields)
	for _, f := range fields {
		name, value := count(f, "name", 256), count(f, "value", 1024)
		fits = fits && name != "" && value != ""
	}
	return total, ok && fits
}

// anyOf reports whether one of the fields holds something.
func anyOf(o object, names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		switch v := o[name].(type) {
		case nil:
			return false
		case string:
			return !blank(v)
		case []any:
			return len(v) > 0
		case object:
			return len(v) > 0
		default:
			return true
		}
	})
}

func eachObject(v any, visit func(object)) {
	switch v := v.(type) {
	case object:
		visit(v)
		for _, member := range v {
			eachObject(member, visit)
		}
	case []any:
		for _, item := range v {
			eachObject(item, visit)
		}
	}
}

func eachString(v any, visit func(string)) {
	mapStrings(v, func(s string) string { visit(s); return s })
}

// mapStrings replaces every string in v, and reports whether that changed any.
func mapStrings(v any, replace func(string) string) (changed bool) {
	put := func(old any, set func(string)) {
		if s, ok := old.(string); ok {
			if is := replace(s); is != s {
				set(is)
				changed = true
			}
			return
		}
		changed = mapStrings(old, replace) || changed
	}
	switch v := v.(type) {
	case object:
		for name, member := range v {
			put(member, func(s string) { v[name] = s })
		}
	case []any:
		for i, item := range v {
			put(item, func(s string) { v[i] = s })
		}
	}
	return changed
}

// allowedMentions is the field in which a message says whom it may call: Discord's own, and read and taken out for Slack.
// https://docs.discord.com/developers/resources/message#allowed-mentions-object
const allowedMentions = "allowed_mentions"

// discordQuiet lets a message call nobody unless it says whom it may, and reports whether that changed it.
func discordQuiet(m object) bool {
	if _, says := m[allowedMentions].(object); says {
		return false
	}
	m[allowedMentions] = noMentions
	return true
}

// slackMention is how a text calls somebody: https://docs.slack.dev/messaging/formatting-message-text
var slackMention = regexp.MustCompile(`<(?:!(channel|here|everyone|group)|!subteam\^(\w+)|@(\w+))`)

// slackQuiet is discordQuiet for Slack, which has no such field: what would call somebody is shown as text.
func slackQuiet(m object) (changed bool) {
	given, changed := m[allowedMentions]
	delete(m, allowedMentions)
	allowed, _ := given.(object)
	may := func(kind, id string) bool {
		return holds(allowed["parse"], kind) || id != "" && holds(allowed[kind], id)
	}
	if !may("everyone", "") || !may("users", "") {
		for _, name := range []string{"link_names", "parse"} { // they make calls of plain text
			_, there := m[name]
			changed = changed || there
			delete(m, name)
		}
	}
	changed = mapStrings(m, func(s string) string {
		return slackMention.ReplaceAllStringFunc(s, func(mention string) string {
			part := slackMention.FindStringSubmatch(mention)
			if part[1] != "" && may("everyone", "") || part[2] != "" && may("roles", part[2]) || part[3] != "" && may("users", part[3]) {
				return mention
			}
			return "&lt;" + mention[1:]
		})
	}) || changed
	eachObject(m, func(o object) { changed = quietElement(o, may) || changed })
	return changed
}

// quietElement makes an element of rich text that calls somebody one of text.
func quietElement(o object, may func(kind, id string) bool) bool {
	kind, field := "", ""
	switch o["type"] {
	case "broadcast":
		kind, field = "everyone", "range"
	case "user":
		kind, field = "users", "user_id"
	case "usergroup":
		kind, field = "roles", "usergroup_id"
	default:
		return false
	}
	whom, ok := o[field].(string)
	if !ok || may(kind, whom) {
		return false
	}
	clear(o)
	o["type"], o["text"] = "text", "@"+whom
	return true
}

// holds reports whether a list has a text in it.
func holds(list any, text string) bool {
	all, _ := list.([]any)
	return slices.Contains(all, any(text))
}
