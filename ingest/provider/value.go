package provider

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"jethook/publish/jsontext"
)

// Value says where something stands in a request. The zero Value stands nowhere.
type Value struct {
	kind  valueKind
	arg   string
	path  string  // of JSON in a field, of an element in XML
	parts []Value // of what is made of others
}

type valueKind uint8

const (
	nowhere valueKind = iota
	inHeader
	inJSON
	inForm
	inQuery
	inFormJSON
	inMultipartJSON
	inFormXML
	constant
	wholeBody
	bodyOrField
	theStamp
	theMethod
	theURL
	theDecodedURL
	theSecret
	bodyCRC
	bodyHash
	firstOf
	joined
	apart
	onlyWhen
)

// Header is the value of a header. Other names that senders use for it may follow: the first that is there
// counts.
func Header(name string, others ...string) Value {
	v := Value{kind: inHeader, arg: http.CanonicalHeaderKey(name)}
	if len(others) == 0 {
		return v
	}
	values := []Value{v}
	for _, other := range others {
		values = append(values, Header(other))
	}
	return FirstOf(values...)
}

// JSON is a string or a number in a JSON body, at a path of https://github.com/tidwall/gjson.
func JSON(path string) Value { return Value{kind: inJSON, arg: path} }

// Form is a field of a form.
func Form(field string) Value { return Value{kind: inForm, arg: field} }

// Query is a parameter of the address as it was asked for.
func Query(parameter string) Value { return Value{kind: inQuery, arg: parameter} }

// FormJSON is a string or a number in the JSON that a form's field holds.
func FormJSON(field, path string) Value { return Value{kind: inFormJSON, arg: field, path: path} }

// MultipartJSON is a string or a number in the JSON that a multipart form's field holds.
func MultipartJSON(field, path string) Value {
	return Value{kind: inMultipartJSON, arg: field, path: path}
}

// FormXML is the text of the first element of that name in the XML that a form's field holds in base64.
func FormXML(field, element string) Value { return Value{kind: inFormXML, arg: field, path: element} }

// Const is the same text in every request.
func Const(text string) Value { return Value{kind: constant, arg: text} }

// Body is the whole body.
func Body() Value { return Value{kind: wholeBody} }

// BodyOrField is the form's field if the body is a form, else the whole body.
func BodyOrField(field string) Value { return Value{kind: bodyOrField, arg: field} }

// Stamp is the timestamp that stands beside the signature in a header of [Pairs].
func Stamp() Value { return Value{kind: theStamp} }

// Method is the request's method.
func Method() Value { return Value{kind: theMethod} }

// URL is the address that the sender was given, with the query it sent.
func URL() Value { return Value{kind: theURL} }

// DecodedURL is [URL] with some characters of its query and path read back from their percent-encoding.
func DecodedURL(characters string) Value { return Value{kind: theDecodedURL, arg: characters} }

// BodyCRC is the CRC-32 of the body (IEEE) in decimal.
func BodyCRC() Value { return Value{kind: bodyCRC} }

// FirstOf is the first of the values that is there.
func FirstOf(values ...Value) Value { return Value{kind: firstOf, parts: values} }

// Join is the values with a - between each two, and nowhere unless all are there.
func Join(values ...Value) Value { return Value{kind: joined, arg: "-", parts: values} }

// secretText stands for the secret in what a plain hash is made of.
func secretText() Value { return Value{kind: theSecret} }

// String is the form that ParseValue reads, and one like it for what ParseValue does not take.
func (v Value) String() string {
	switch v.kind {
	case inHeader:
		return "header:" + v.arg
	case inJSON:
		return "json:" + v.arg
	case inForm:
		return "form:" + v.arg
	case inQuery:
		return "query:" + v.arg
	case inFormJSON:
		return "formjson:" + v.arg + ":" + v.path
	case inMultipartJSON:
		return "multipartjson:" + v.arg + ":" + v.path
	case inFormXML:
		return "formxml:" + v.arg + ":" + v.path
	case constant:
		return "const:" + v.arg
	case wholeBody:
		return "body"
	case bodyOrField:
		return "body or form:" + v.arg
	case theStamp:
		return "timestamp"
	case theMethod:
		return "method"
	case theURL:
		return "url"
	case theDecodedURL:
		return "decoded url"
	case theSecret:
		return "secret"
	case bodyCRC:
		return "crc32(body)"
	case firstOf:
		return join(v.parts, orderedSeparator)
	case joined:
		return join(v.parts, " + ")
	case bodyHash:
		return "hash of the body"
	case apart:
		return join(v.parts, " + ")
	case onlyWhen:
		return v.parts[0].String() + " if " + v.arg
	}
	return ""
}

func join(values []Value, separator string) string {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = v.String()
	}
	return strings.Join(words, separator)
}

// find returns the value, or nothing where it is missing, repeated, or neither text nor number.
func (v Value) find(r *Request) string {
	switch v.kind {
	case inHeader:
		if lines := r.Header[v.arg]; len(lines) == 1 {
			return lines[0]
		}
	case inJSON:
		if r.validJSON() {
			return scalar(gjson.Get(view(r.text()), v.arg))
		}
	case inForm:
		return onlyValue(r.formValues(), v.arg)
	case inQuery:
		return onlyValue(r.queryValues(), v.arg)
	case inFormJSON:
		if text := jsonOf([]byte(onlyValue(r.formValues(), v.arg))); jsontext.Valid(text) {
			return scalar(gjson.Get(view(text), v.path))
		}
	case inMultipartJSON:
		if text := jsonOf(r.partText(v.arg)); jsontext.Valid(text) {
			return scalar(gjson.Get(view(text), v.path))
		}
	case inFormXML:
		return xmlElement(onlyValue(r.formValues(), v.arg), v.path)
	case constant:
		return v.arg
	case theMethod:
		return r.Method
	case theURL:
		return r.address()
	case theDecodedURL:
		return decodeSome(r.address(), v.arg)
	case bodyHash:
		return r.hash()
	case apart:
		return v.findApart(r)
	case onlyWhen:
		return v.findWhen(r)
	case firstOf, joined:
		return v.findParts(r)
	}
	return ""
}

func (v Value) findParts(r *Request) string {
	var found []string
	for _, part := range v.parts {
		s := part.find(r)
		switch {
		case s == "" && v.kind == joined:
			return ""
		case s != "" && v.kind == firstOf:
			return s
		case s != "":
			found = append(found, s)
		}
	}
	return strings.Join(found, v.arg)
}

// maxScalar bounds a value: no header could hold more, so no type, id, time or signature is longer.
const maxScalar = 16 << 10

// scalar is a copy of the text or the number, so that it may outlive the body; nothing for all else.
func scalar(res gjson.Result) string {
	text := ""
	switch res.Type {
	case gjson.String:
		text = res.Str
		if strings.ContainsRune(text, '\uFFFD') {
			// Half a surrogate pair is decoded to that whatever it is: two ids must not become one.
			text = strings.Trim(res.Raw, `"`)
		}
	case gjson.Number:
		text = res.Raw
	}
	if len(text) > maxScalar {
		return ""
	}
	return strings.Clone(text)
}

func onlyValue(values url.Values, name string) string {
	if v := values[name]; len(v) == 1 {
		return v[0]
	}
	return ""
}

// only returns a value that has to be there once: were it repeated, the one that is verified might not be the
// one that is read later.
func (v Value) only(r *Request) (string, error) {
	switch v.kind {
	case inHeader:
		switch lines := r.Header[v.arg]; len(lines) {
		case 0:
			return "", fmt.Errorf("%s: %w", v, ErrMissingHeader)
		case 1:
			return lines[0], nil
		default:
			return "", fmt.Errorf("%s is repeated: %w", v, ErrMalformedHeader)
		}
	case firstOf:
		for _, part := range v.parts[:len(v.parts)-1] {
			if part.present(r) {
				return part.only(r)
			}
		}
		return v.parts[len(v.parts)-1].only(r)
	case theURL, theDecodedURL:
		if r.URL == "" {
			return "", ErrNoURL
		}
	}
	s := v.find(r)
	if s == "" && v.kind != constant && v.kind != theMethod {
		return "", v.missing()
	}
	return s, nil
}

// present reports whether there is anything where the value stands.
func (v Value) present(r *Request) bool {
	if v.kind == inHeader {
		return len(r.Header[v.arg]) > 0
	}
	return v.find(r) != ""
}

// missing is the error of a value that is not there, malformed of one that cannot be read.
func (v Value) missing() error {
	if v.inHeaders() {
		return fmt.Errorf("%s: %w", v, ErrMissingHeader)
	}
	return fmt.Errorf("%s: %w", v, ErrMissingField)
}

func (v Value) malformed() error {
	if v.inHeaders() {
		return fmt.Errorf("%s: %w", v, ErrMalformedHeader)
	}
	return fmt.Errorf("%s: %w", v, ErrMalformedBody)
}

func (v Value) inHeaders() bool {
	if v.kind == firstOf {
		return v.parts[len(v.parts)-1].inHeaders()
	}
	return v.kind == inHeader || v.kind == theStamp
}

// headerNames are the headers in which the value may stand.
func (v Value) headerNames() []string {
	switch v.kind {
	case inHeader:
		return []string{v.arg}
	case firstOf, joined, apart, onlyWhen:
		return headersIn(v.parts...)
	}
	return nil
}

// has reports whether the value, or one that it is made of, is of the kind.
func (v Value) has(kind valueKind) bool {
	return v.kind == kind || slices.ContainsFunc(v.parts, func(part Value) bool { return part.has(kind) })
}

// headersIn are the headers in which any of the values may stand.
func headersIn(values ...Value) (names []string) {
	for _, v := range values {
		names = append(names, v.headerNames()...)
	}
	return names
}

// decodeSome reads escapes back that stand for one of the characters, each once.
func decodeSome(s, characters string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil && strings.IndexByte(characters, byte(c)) >= 0 {
				b.WriteByte(byte(c))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
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
