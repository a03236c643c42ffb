package provider

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/tidwall/gjson"
)

// Value says where something stands in a request. The zero Value stands nowhere.
type Value struct {
	kind valueKind
	arg  string
}

type valueKind uint8

const (
	nowhere valueKind = iota
	inHeader
	inJSON
	constant
	wholeBody
)

// Header is the value of a header.
func Header(name string) Value { return Value{inHeader, http.CanonicalHeaderKey(name)} }

// JSON is a string or a number in a JSON body, at a path of https://github.com/tidwall/gjson.
func JSON(path string) Value { return Value{inJSON, path} }

// Const is the same text in every request.
func Const(text string) Value { return Value{constant, text} }

// Body is the whole body.
func Body() Value { return Value{kind: wholeBody} }

// ParseValue reads the form that operators write: json:PATH, header:NAME or const:VALUE.
func ParseValue(s string) (Value, error) {
	kind, arg, _ := strings.Cut(s, ":")
	switch {
	case arg == "":
	case kind == "json":
		return JSON(arg), nil
	case kind == "header" && validHeaderName(arg):
		return Header(arg), nil
	case kind == "const":
		return Const(arg), nil
	}
	return Value{}, errors.New("want json:PATH, header:NAME or const:VALUE")
}

// String is the form that ParseValue reads.
func (v Value) String() string {
	switch v.kind {
	case inHeader:
		return "header:" + v.arg
	case inJSON:
		return "json:" + v.arg
	case constant:
		return "const:" + v.arg
	case wholeBody:
		return "body"
	}
	return ""
}

// find returns the value, or nothing where it is missing, repeated, or neither text nor number.
func (v Value) find(r *Request) string {
	switch v.kind {
	case inHeader:
		if lines := r.Header[v.arg]; len(lines) == 1 {
			return lines[0]
		}
	case inJSON:
		if !r.validJSON() {
			return ""
		}
		switch res := gjson.GetBytes(r.Body, v.arg); res.Type {
		case gjson.String:
			return res.Str
		case gjson.Number:
			return res.Raw
		}
	case constant:
		return v.arg
	}
	return ""
}

// only returns the value of a header that has to be there once: were it repeated, the line that is verified
// might not be the line that is read later.
func (v Value) only(r *Request) (string, error) {
	switch lines := r.Header[v.arg]; len(lines) {
	case 0:
		return "", fmt.Errorf("%s: %w", v, ErrMissingHeader)
	case 1:
		return lines[0], nil
	default:
		return "", fmt.Errorf("%s is repeated: %w", v, ErrMalformedHeader)
	}
}

// jsonState is what is known about whether a body is JSON.
type jsonState uint8

const (
	jsonUnknown jsonState = iota
	jsonValid
	jsonInvalid
)

// maxBrackets is the number of opening brackets up to which a body is safe for gjson's validation, which
// recurses once for each level: some megabytes of "[" overflow the stack, and that ends the process.
const maxBrackets = 10_000

// validJSON reports whether the body is JSON, which must be known before gjson reads from it.
func (r *Request) validJSON() bool {
	if r.json == jsonUnknown {
		valid := gjson.ValidBytes
		if bytes.Count(r.Body, []byte("["))+bytes.Count(r.Body, []byte("{")) > maxBrackets {
			valid = json.Valid // slower, does not recurse, and refuses what is nested deeper than 10,000 levels
		}
		r.json = jsonInvalid
		if valid(r.Body) {
			r.json = jsonValid
		}
	}
	return r.json == jsonValid
}

// validHeaderName reports whether name is a token of RFC 9110.
func validHeaderName(name string) bool {
	for i := range len(name) {
		c := name[i]
		alphanumeric := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !alphanumeric && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return name != ""
}
