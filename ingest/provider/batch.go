package provider

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"jethook/publish/jsontext"
)

// Batch says where a request holds several events, and where in each its type and id stand.
type Batch struct {
	// Items are where the list may stand in the JSON of the body, or of Field; none if that is the list itself.
	// Where there is no list, the request is one event.
	Items []string
	// Field is the form's field that holds the JSON; empty if the body does.
	Field string
	// Type and ID are of an item, as of a request that has the item as its body.
	Type Value
	ID   Value
	// Request is the id of the whole request, where the sender gives it one.
	Request Value
}

// String is where the list stands, in words.
func (b *Batch) String() string {
	where := "body"
	if b.Field != "" {
		where = "form:" + b.Field
	}
	if len(b.Items) == 0 {
		return where + "[]"
	}
	return where + " " + strings.Join(b.Items, "[] or ") + "[]"
}

// maxEvents is how many events a request is split into. Who sends more has them stored as one: a body of megabytes may
// hold millions, each with memory of its own.
const maxEvents = 10_000

// cloudEvents is the batch of any sender whose request says that it is one:
// https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md#33-batched-content-mode
// Only source and id together name an event.
var cloudEvents = Batch{Type: JSON("type"), ID: Join(JSON("source"), JSON("id"))}

const (
	cloudEventsBatch = "application/cloudevents-batch+json"
	cloudEvent       = "application/cloudevents+json"
)

// isCloudEventsBatch reports whether the body says that it is a list of CloudEvents.
func (r *Request) isCloudEventsBatch() bool {
	mediaType, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(mediaType), cloudEventsBatch)
}

// batch is where r holds several events; nil where it can't.
func (s *Sender) batch(r *Request) *Batch {
	if s.Batch == nil && r.isCloudEventsBatch() {
		return &cloudEvents
	}
	return s.Batch
}

// split returns the events in r, and whether there is a list of them at all. It stops at one more than maxEvents.
func (b *Batch) split(r *Request) ([]Event, bool) {
	text := r.text()
	if b.Field != "" {
		text = jsonOf([]byte(onlyValue(r.formValues(), b.Field)))
	}
	if !jsontext.Valid(text) {
		return nil, false
	}
	list := gjson.ParseBytes(text)
	for whole, i := list, 0; !list.IsArray(); i++ {
		if i == len(b.Items) {
			return nil, false
		}
		list = whole.Get(b.Items[i])
	}
	var events []Event
	seen := map[string]int{}
	list.ForEach(func(_, item gjson.Result) bool {
		events = append(events, b.event(r, []byte(item.Raw), seen))
		return len(events) <= maxEvents
	})
	return events, true
}

// event is one item. An item without an id has the hash of its bytes and the query for one. Where two items of a request come
// to the same id, the later ones are numbered: they are different events, and would be taken for copies.
func (b *Batch) event(r *Request, raw []byte, seen map[string]int) Event {
	raw = bytes.TrimSpace(raw)
	item := &Request{Method: r.Method, Header: r.Header, Body: raw, json: jsonValid}
	id := idIn(item, b.ID)
	hashed := id == ""
	if hashed {
		sum := sha256.Sum256(append(slices.Clip(raw), r.kept...))
		id = hex.EncodeToString(sum[:16])
	}
	seen[id]++
	if n := seen[id]; n > 1 {
		id += "-" + strconv.Itoa(n)
	}
	contentType := "application/json"
	if r.isCloudEventsBatch() {
		contentType = cloudEvent
	}
	return Event{Type: b.Type.find(item), ID: id, Hashed: hashed, Body: raw, ContentType: contentType}
}
