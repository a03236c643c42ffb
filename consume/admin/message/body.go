package message

import (
	"encoding/base64"
	"unicode/utf8"
)

// EventBody is the body of an event in a form that fits into JSON.
type EventBody struct {
	Text      string `json:"body,omitempty" doc:"the body, if it is UTF-8"`
	Base64    string `json:"body_base64,omitempty" doc:"the body in base64, if it is not UTF-8"`
	Truncated bool   `json:"body_truncated,omitempty" doc:"only the first 1 MiB is shown; /body returns all of it"`
}

// MaxShown is how many bytes of a body are shown in JSON.
const MaxShown = 1 << 20

// ShowBody returns the first bytes of a body, at most so many.
func ShowBody(body []byte, most int) (b EventBody) {
	text := utf8.Valid(body)
	if b.Truncated = len(body) > most; b.Truncated {
		body = body[:most]
		for text && !utf8.Valid(body) { // not within a character
			body = body[:len(body)-1]
		}
	}
	if text {
		b.Text = string(body)
	} else {
		b.Base64 = base64.StdEncoding.EncodeToString(body)
	}
	return b
}
