package format

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"jethook/consume/endpoint"
)

// order is an event that a service publishes.
func order() Event {
	return Event{
		ID: "evt_1", Type: "order.created", Subject: "events.order.created", ContentType: "application/json",
		Body: []byte(`{"type":"order.created"}`),
	}
}

// chatText forms the event for a chat service and returns the text that its readers see.
func chatText(t *testing.T, format endpoint.Format, e Event) string {
	t.Helper()
	body, contentType := e.In(format)
	var message map[string]json.RawMessage
	if err := json.Unmarshal(body, &message); err != nil || contentType != "application/json" {
		t.Fatalf("%s: not a message: %v: %s", format, err, body)
	}
	field := map[endpoint.Format]string{endpoint.FormatSlack: "text", endpoint.FormatDiscord: "content"}[format]
	var text string
	if err := json.Unmarshal(message[field], &text); err != nil {
		t.Fatalf("%s: no text: %s", format, body)
	}
	if n := len(utf16.Encode([]rune(text))); n > 2000 || !utf8.ValidString(text) {
		t.Errorf("%s: text of %d characters, valid %t", format, n, utf8.ValidString(text))
	}
	if strings.Count(text, "```") != 2 || !strings.HasSuffix(text, "\n```") {
		t.Errorf("%s: not one code block: %s", format, text)
	}
	if format == endpoint.FormatDiscord && string(message["allowed_mentions"]) != `{"parse":[]}` {
		t.Errorf("mentions are not ruled out: %s", body)
	}
	return text
}

func TestSlackText(t *testing.T) {
	t.Parallel()
	e := order()
	e.Type = "a<b&c"
	e.Body = []byte(`{"id":1,"text":"<!channel> & <@U1>","list":[1,{"a":null}],"empty":{}, "none": [ ],"say":"\"hi\", {you}"}`)
	want := "*a&lt;b&amp;c*  `evt_1`\n```\n" + `{
  "id": 1,
  "text": "&lt;!channel&gt; &amp; &lt;@U1&gt;",
  "list": [
    1,
    {
      "a": null
    }
  ],
  "empty": {},
  "none": [],
  "say": "\"hi\", {you}"
}` + "\n```"
	if got := chatText(t, endpoint.FormatSlack, e); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestDiscordText(t *testing.T) {
	t.Parallel()
	e := order()
	e.Body = []byte(`{"say":"@everyone <b>"}`)
	want := "**order.created**  `evt_1`\n```\n{\n  \"say\": \"@everyone <b>\"\n}\n```"
	if got := chatText(t, endpoint.FormatDiscord, e); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestChatLimits(t *testing.T) {
	t.Parallel()
	long := func(s string) []byte { return []byte(`{"say":"` + strings.Repeat(s, 5000) + `"}`) }
	for name, body := range map[string][]byte{
		"ascii": long("x"), "two bytes": long("ü"), "three bytes": long("日"), "four bytes": long("😀"), "escaped": long("&"), "combined": long("👩‍👩‍👧"),
		"backticks": long("`"), "fences": long("a```b"), "deep": []byte(strings.Repeat("[", 9000) + strings.Repeat("]", 9000)),
		"wide and deep": []byte(strings.Repeat("[", 4000) + strings.Repeat("1,", 100000) + "1" + strings.Repeat("]", 4000)),
		"text":          []byte(strings.Repeat("a=b&c=日\n", 1000)), "control characters": []byte("a\x00b\x1b[31mc\r\n"), "empty": nil,
	} {
		for _, format := range []endpoint.Format{endpoint.FormatSlack, endpoint.FormatDiscord} {
			e := order()
			e.Body = body
			text := chatText(t, format, e)
			if cut := fmt.Sprintf("(cut; the event has %d bytes)", len(body)); (len(body) > 4000) != strings.Contains(text, cut) {
				t.Errorf("%s, %s: %.200s", name, format, text)
			}
			if strings.ContainsAny(text, "\x00\x1b\r") {
				t.Errorf("%s, %s: control characters in %q", name, format, text)
			}
			// An escape is never cut in two.
			if format == endpoint.FormatSlack && strings.Count(text, "&") != strings.Count(text, "&amp;") {
				t.Errorf("%s: a cut escape in %q", name, text)
			}
		}
	}
}

func TestChatOddEvents(t *testing.T) {
	t.Parallel()
	e := order()
	e.Type, e.ID = strings.Repeat("*`\n日", 200), strings.Repeat("``", 200)
	e.Body, e.ContentType = []byte("\xff\xfe\x00"), "image/png"
	for _, format := range []endpoint.Format{endpoint.FormatSlack, endpoint.FormatDiscord} {
		if text := chatText(t, format, e); !strings.Contains(text, "(3 bytes of image/png)") {
			t.Errorf("%s: %s", format, text)
		}
	}
}

// section is a Slack message with a text of n characters.
func section(n int) string {
	return `{"text":"x","blocks":[{"type":"section","text":{"type":"mrkdwn","text":"` + strings.Repeat("x", n) + `"}}]}`
}

func repeated(s string, n int) string { return strings.TrimSuffix(strings.Repeat(s+",", n), ",") }

// A message that its service would refuse is shown as text, and one that it takes goes out as it is.
func TestChatMessagesPass(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		format endpoint.Format
		body   string
		passes bool
	}{
		{endpoint.FormatSlack, `{"text":"hello <https://example.com|there> <!date^1392734382^{date}|then>"}`, true},
		{endpoint.FormatSlack, ` {"text":"x","blocks":[{"type":"divider"}]}`, true},
		{endpoint.FormatSlack, `{"blocks":[{"type":"divider"}]}`, true},
		{endpoint.FormatSlack, `{"text":""}`, false},
		{endpoint.FormatSlack, `{"blocks":[]}`, false},
		{endpoint.FormatSlack, `{"text":5}`, false},
		{endpoint.FormatSlack, `{"text":"x","id":1}`, false}, // an event that has a text
		{endpoint.FormatSlack, `{"content":"x"}`, false},
		{endpoint.FormatSlack, `["text"]`, false},
		{endpoint.FormatSlack, `"text"`, false},
		{endpoint.FormatSlack, `{"text":"x"`, false},
		{endpoint.FormatSlack, `{"text":" \n\u200b "}`, false},
		{endpoint.FormatSlack, `{"text":"` + strings.Repeat("x", 40_000) + `"}`, true},
		{endpoint.FormatSlack, `{"text":"` + strings.Repeat("x", 40_001) + `"}`, false},
		{endpoint.FormatSlack, `{"text":"x","blocks":[{}]}`, false},
		{endpoint.FormatSlack, `{"blocks":["x"]}`, false},
		{endpoint.FormatSlack, `{"blocks":[{"text":"x"}]}`, false},
		{endpoint.FormatSlack, `{"blocks":[{"type":"section"}]}`, false},
		{endpoint.FormatSlack, `{"blocks":[{"type":"section","text":{"type":"mrkdwn","text":""}}]}`, false},
		{endpoint.FormatSlack, section(3_000), true},
		{endpoint.FormatSlack, section(3_001), false},
		{endpoint.FormatSlack, `{"text":"x","blocks":[` + repeated(`{"type":"divider"}`, 50) + `]}`, true},
		{endpoint.FormatSlack, `{"text":"x","blocks":[` + repeated(`{"type":"divider"}`, 51) + `]}`, false},
		{endpoint.FormatSlack, `{"text":"x","attachments":[{"blocks":[{"type":"section"}]}]}`, false},
		{endpoint.FormatSlack, `{"attachments":[{"color":"#f00"}]}`, false},
		{endpoint.FormatSlack, `{"attachments":[{"fallback":"x"}]}`, true},
		{endpoint.FormatDiscord, `{"content":"hello","username":"me","allowed_mentions":{"parse":["users"]}}`, true},
		{endpoint.FormatDiscord, `{"embeds":[{"title":"x"}],"allowed_mentions":{"parse":[]}}`, true},
		{endpoint.FormatDiscord, `{"content":"` + strings.Repeat("😀", 1000) + `","allowed_mentions":{}}`, true},
		{endpoint.FormatDiscord, `{"content":"` + strings.Repeat("😀", 1001) + `"}`, false},
		{endpoint.FormatDiscord, `{"content":" \t","allowed_mentions":{}}`, false},
		{endpoint.FormatDiscord, `{"content":"","embeds":[],"allowed_mentions":{}}`, false},
		{endpoint.FormatDiscord, `{"embeds":[{}],"allowed_mentions":{}}`, false},
		{endpoint.FormatDiscord, `{"content":"x","embeds":[{"color":1}],"allowed_mentions":{}}`, false},
		{endpoint.FormatDiscord, `{"embeds":[{"fields":[{"name":"a","value":" "}]}],"allowed_mentions":{}}`, false},
		{endpoint.FormatDiscord, `{"embeds":[{"title":"` + strings.Repeat("x", 257) + `"}],"allowed_mentions":{}}`, false},
		{endpoint.FormatDiscord, `{"embeds":[` + repeated(`{"description":"`+strings.Repeat("x", 3000)+`"}`, 2) + `],"allowed_mentions":{}}`, true},
		{endpoint.FormatDiscord, `{"embeds":[{"title":"x"},` + repeated(`{"description":"`+strings.Repeat("x", 3000)+`"}`, 2) + `],"allowed_mentions":{}}`, false},
		{endpoint.FormatDiscord, `{"embeds":[` + repeated(`{"title":"x"}`, 11) + `],"allowed_mentions":{}}`, false},
		{endpoint.FormatDiscord, `{"text":"x"}`, false},
		{endpoint.FormatDiscord, `{}`, false},
	} {
		e := order()
		e.Body = []byte(row.body)
		e.Subject = "events.order.created"
		body, _ := e.In(row.format)
		if passes := string(body) == row.body; passes != row.passes {
			t.Errorf("%s: %.60s: passed %t", row.format, row.body, passes)
		}
		// Another's event is shown, whatever it looks like.
		for _, subject := range []string{"webhooks.acme.order.created", "jethook.ops.endpoint.failing", "eventsx"} {
			e.Subject = subject
			if body, _ := e.In(row.format); string(body) == row.body || !strings.Contains(string(body), "```") {
				t.Errorf("%s: %s: %.60s became %.200s", row.format, subject, row.body, body)
			}
		}
	}
}

// A message for Discord calls nobody, unless who wrote it says whom it may call.
func TestDiscordMentions(t *testing.T) {
	t.Parallel()
	const format = endpoint.FormatDiscord
	for body, want := range map[string]string{
		`{"content":"@everyone"}`:                                                    `{"parse":[]}`,
		`{"content":"@everyone","allowed_mentions":null}`:                            `{"parse":[]}`,
		`{"content":"@everyone","allowed_mentions":[]}`:                              `{"parse":[]}`,
		`{"embeds":[{"title":"@here"}],"tts":false}`:                                 `{"parse":[]}`,
		`{"content":"@everyone","allowed_mentions":{"parse":["everyone"]}}`:          `{"parse":["everyone"]}`,
		`{"allowed_mentions":{"users":["1"]},"content":"<@1> 12345678901234567890"}`: `{"users":["1"]}`,
	} {
		e := order()
		e.Subject, e.Body = "events.a", []byte(body)
		got, _ := e.In(format)
		var was, is map[string]json.RawMessage
		if json.Unmarshal([]byte(body), &was) != nil || json.Unmarshal(got, &is) != nil {
			t.Fatalf("%s became %s", body, got)
		}
		if string(is["allowed_mentions"]) != want {
			t.Errorf("%s became %s", body, got)
		}
		was["allowed_mentions"] = is["allowed_mentions"]
		if !reflect.DeepEqual(was, is) {
			t.Errorf("%s became %s", body, got)
		}
	}
}

// So does one for Slack, by the same field, which Slack itself does not have.
func TestSlackMentions(t *testing.T) {
	t.Parallel()
	const format = endpoint.FormatSlack
	for body, want := range map[string]string{
		`{"text":"<!channel> <!here|x> <!everyone> <@U1> <!subteam^S1> <b"}`:                 `{"text":"&lt;!channel> &lt;!here|x> &lt;!everyone> &lt;@U1> &lt;!subteam^S1> <b"}`,
		`{"text":"<!here> <@U1>","allowed_mentions":{"parse":["everyone"]}}`:                 `{"text":"<!here> &lt;@U1>"}`,
		`{"text":"<@U1> <@U2>","allowed_mentions":{"users":["U1"]}}`:                         `{"text":"<@U1> &lt;@U2>"}`,
		`{"text":"<!subteam^S1> <!here>","allowed_mentions":{"parse":["roles"]}}`:            `{"text":"<!subteam^S1> &lt;!here>"}`,
		`{"text":"@channel","link_names":true,"parse":"full"}`:                               `{"text":"@channel"}`,
		`{"text":"@x","link_names":true,"allowed_mentions":{"parse":["everyone","users"]}}`:  `{"link_names":true,"text":"@x"}`,
		`{"blocks":[{"type":"section","text":{"type":"mrkdwn","text":"<!here>"}}]}`:          `{"blocks":[{"text":{"text":"&lt;!here>","type":"mrkdwn"},"type":"section"}]}`,
		`{"blocks":[{"type":"rich_text","elements":[{"type":"broadcast","range":"here"}]}]}`: `{"blocks":[{"elements":[{"text":"@here","type":"text"}],"type":"rich_text"}]}`,
		`{"attachments":[{"fallback":"<!here>"}],"allowed_mentions":null}`:                   `{"attachments":[{"fallback":"&lt;!here>"}]}`,
	} {
		e := order()
		e.Subject, e.Body = "events.a", []byte(body)
		if got, _ := e.In(format); string(got) != want {
			t.Errorf("%s became %s, want %s", body, got, want)
		}
	}
}

func FuzzIndent(f *testing.F) {
	f.Add([]byte(`{"a":[1,"\\\"",{}],"b":[ ]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if !json.Valid(body) {
			return
		}
		var want, got any
		if json.Unmarshal(body, &want) == nil {
			laid := indent(body, 1<<20)
			if err := json.Unmarshal(laid, &got); err != nil || fmt.Sprint(want) != fmt.Sprint(got) {
				t.Errorf("%s became %s", body, laid)
			}
		}
		if n := len(indent(body, 100)); n > 100+1+2*maxIndent+2 {
			t.Errorf("%d bytes", n)
		}
	})
}
