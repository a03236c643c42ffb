// Package jsontext decides which JSON from outside may be read: all of it is checked here before anything looks
// into it.
//
// gjson's validator recurses once for each level of nesting, and a goroutine whose stack overflows ends the process:
// some megabytes of "[" are enough. Nothing but this package may call it.
package jsontext

import (
	"bytes"

	"github.com/tidwall/gjson"
)

// MaxDepth is how many levels of arrays and objects a text may have. It is what encoding/json takes, so that what is
// valid here can be decoded there; gjson needs some 2 MB of stack for as many.
const MaxDepth = 10_000

// Valid reports whether text is JSON of at most MaxDepth levels. It takes time in proportion to the text, and
// allocates nothing.
func Valid(text []byte) bool {
	// Counting is so much cheaper than anything else that for most texts it is all.
	if bytes.Count(text, []byte("["))+bytes.Count(text, []byte("{")) > MaxDepth && tooDeep(text) {
		return false
	}
	return gjson.ValidBytes(text)
}

// tooDeep reports whether a validator that reads text from its beginning would get below MaxDepth. Up to where the text
// stops being JSON, the levels counted here are the validator's; behind that place it does not read.
func tooDeep(text []byte) bool {
	depth, inString := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '[' || c == '{':
			if depth++; depth > MaxDepth {
				return true
			}
		case c == ']' || c == '}':
			depth--
		}
	}
	return false
}
