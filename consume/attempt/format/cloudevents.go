package format

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"mime"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"jethook/publish/jsontext"
)

// typeCloudEvents is the content type of a CloudEvent in structured mode, and cloudEventHeader begins the headers that
// hold an event's attributes in binary mode:
// https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
const (
	typeCloudEvents  = "application/cloudevents+json"
	cloudEventHeader = "Ce-"
)

// attributeName is what an attribute may be called. Those of the data are Jethook's to set.
var attributeName = regexp.MustCompile(`^[a-z0-9]+$`)

// requiredAttributes are those that every CloudEvent has.
var requiredAttributes = [...]string{"specversion", "id", "source", "type"}

// structured returns an event as a CloudEvent in structured mode. One that came as a CloudEvent keeps its attributes, in
// whatever mode it came; any other gets those that are required, and its body is the data.
func (e *Event) structured() (body []byte, contentType string) {
	if isCloudEvent(e.Body) {
		return e.Body, typeCloudEvents
	}
	attributes := e.binaryAttributes()
	if attributes == nil {
		attributes = map[string]string{"specversion": "1.0", "id": e.ID, "type": e.Type, "source": "/events"}
		if e.Source != "" {
			attributes["source"] = "/webhooks/" + e.Source
		}
		if !e.Received.IsZero() {
			attributes["time"] = e.Received.UTC().Format(time.RFC3339Nano)
		}
	}
	attributes["datacontenttype"] = e.rawType()
	head, _ := json.Marshal(attributes) // strings always can
	if len(e.Body) == 0 {
		return head, typeCloudEvents
	}
	var out bytes.Buffer
	out.Write(head[:len(head)-1])
	switch text := utf8.Valid(e.Body); {
	case text && isJSON(attributes["datacontenttype"]) && jsontext.Valid(e.Body):
		out.WriteString(`,"data":`)
		out.Write(e.Body)
	case text && !isJSON(attributes["datacontenttype"]):
		data, _ := json.Marshal(string(e.Body))
		out.WriteString(`,"data":`)
		out.Write(data)
	default:
		out.WriteString(`,"data_base64":"`)
		out.WriteString(base64.StdEncoding.EncodeToString(e.Body))
		out.WriteByte('"')
	}
	out.WriteByte('}')
	return out.Bytes(), typeCloudEvents
}

// isCloudEvent reports whether body is a CloudEvent in structured mode.
func isCloudEvent(body []byte) bool {
	if !jsontext.Valid(body) || !utf8.Valid(body) {
		return false
	}
	event := gjson.ParseBytes(body)
	for _, name := range requiredAttributes {
		if v := event.Get(name); v.Type != gjson.String || v.Str == "" {
			return false
		}
	}
	return event.IsObject()
}

// binaryAttributes returns the attributes of a CloudEvent in binary mode; nil for any other event.
func (e *Event) binaryAttributes() map[string]string {
	attributes := map[string]string{}
	for header, value := range e.Header {
		name, ok := strings.CutPrefix(header, cloudEventHeader)
		if name = strings.ToLower(name); !ok || !attributeName.MatchString(name) || name == "data" || name == "datacontenttype" {
			continue
		}
		if text, err := url.PathUnescape(value); err == nil && utf8.ValidString(text) {
			value = text
		}
		attributes[name] = value
	}
	for _, name := range requiredAttributes {
		if attributes[name] == "" {
			return nil
		}
	}
	return attributes
}

// isJSON reports whether a content type is JSON or based on it.
func isJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == TypeJSON || strings.HasSuffix(media, "+json"))
}
