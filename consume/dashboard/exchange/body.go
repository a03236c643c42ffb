package exchange

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"jethook/consume/dashboard/format"
)

const (
	// maxShown bounds what of a body a page shows beside other things: a page must not weigh too much. All of it is one click away.
	maxShown = 16 << 10
	// maxPretty bounds what is laid out as JSON.
	maxPretty = 2 << 20
	maxHex    = 2 << 10
)

// Body is a body as a page shows it: {{template "body"}}.
type Body struct {
	ID     string // of its element
	About  string // what it is, and how large
	Empty  string // why there is nothing to show; empty: there is
	Pretty string // laid out, or as it came
	Raw    string // as it came, where Pretty is not that
	Cut    bool   // there is more than is shown
}

// BodyOf shows the beginning of a body: JSON laid out with its numbers and escapes as they came, other text as it is, and
// anything else in hex.
func BodyOf(id, about string, body []byte) Body {
	v := Body{ID: id, About: fmt.Sprintf("%s, %s", about, format.Bytes(len(body)))}
	if len(body) == 0 {
		v.Empty = "Empty."
		return v
	}
	most := maxShown
	pretty, whole, kind := Pretty(body, maxShown)
	if kind == Binary {
		v.About += ", not UTF-8"
		most = maxHex
	}
	if v.Pretty = format.Visible(pretty); kind == JSON {
		raw, all := Raw(body, maxShown)
		if raw != pretty {
			v.Raw = format.Visible(raw)
		}
		whole = whole && all
	}
	if v.Cut = !whole; v.Cut {
		v.About += fmt.Sprintf(": the first %s", format.Bytes(most))
	}
	return v
}

// Kind is how a body is shown.
type Kind int

// Kinds of bodies.
const (
	Text Kind = iota
	JSON
	Binary
)

// Pretty lays a body out, up to so many bytes; whole is false when that is not all.
func Pretty(body []byte, most int) (text string, whole bool, kind Kind) {
	switch {
	case !utf8.Valid(body):
		return hex.Dump(body[:min(len(body), maxHex)]), len(body) <= maxHex, Binary
	case len(body) > maxPretty || !json.Valid(body):
		text, whole = Raw(body, most)
		return text, whole, Text
	default:
		text, whole = indented(body, most)
		text, _ = Raw([]byte(text), most)
		return text, whole, JSON
	}
}

// Raw is a body as it came, up to so many bytes of whole characters.
func Raw(body []byte, most int) (text string, whole bool) {
	if len(body) <= most {
		return string(body), true
	}
	for most > 0 && !utf8.RuneStart(body[most]) {
		most--
	}
	return string(body[:most]), false
}

// Parts cuts a text into parts of some kilobytes, at the ends of lines where that can be.
func Parts(text string) (parts []string) {
	const size = 8 << 10
	for len(text) > size {
		end := strings.LastIndexByte(text[:size], '\n') + 1
		if end == 0 {
			for end = size; !utf8.RuneStart(text[end]); {
				end--
			}
		}
		parts = append(parts, text[:end])
		text = text[end:]
	}
	return append(parts, text)
}
