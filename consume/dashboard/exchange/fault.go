package exchange

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"jethook/consume/dashboard/format"
)

// Fault is what is wrong with JSON, and where.
type Fault struct {
	Line, Column int
	Text         string // in a sentence
	Before, At   string // the line up to the fault, and from it on
}

// JSONFault finds the first fault of a text that is to be JSON; nil if it has none.
func JSONFault(text string) *Fault {
	d := json.NewDecoder(strings.NewReader(text))
	var raw json.RawMessage
	err := d.Decode(&raw)
	offset := int64(len(text))
	why := "the text ends too early"
	if wrong, ok := errors.AsType[*json.SyntaxError](err); ok {
		why = wrong.Error()
		if strings.HasPrefix(why, "unexpected end") || strings.HasPrefix(why, "unexpected EOF") {
			why = "the text ends too early"
		} else {
			offset = wrong.Offset - 1
		}
	} else if err == nil {
		rest := text[d.InputOffset():]
		if strings.TrimSpace(rest) == "" {
			return nil
		}
		offset = d.InputOffset() + int64(len(rest)-len(strings.TrimLeft(rest, " \t\r\n")))
		why = "there is text after the end of the JSON"
	}
	offset = min(max(0, offset), int64(len(text)))
	start := strings.LastIndexByte(text[:offset], '\n') + 1
	end := len(text)
	if i := strings.IndexByte(text[offset:], '\n'); i >= 0 {
		end = int(offset) + i
	}
	f := &Fault{Line: strings.Count(text[:offset], "\n") + 1, Column: int(offset) - start + 1, Before: text[start:offset], At: text[offset:end]}
	if len(f.Before) > 60 {
		f.Before = "…" + strings.ToValidUTF8(f.Before[len(f.Before)-60:], "")
	}
	f.At = format.Short(60, f.At)
	f.Text = fmt.Sprintf("Line %d, column %d: %s.", f.Line, f.Column, why)
	return f
}
