package manifest

import (
	"cmp"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"

	"jethook/config"
	"jethook/consume/admin/endpoints"
	"jethook/consume/endpoint"
	"jethook/publish/event"
)

// Difference is one field that is not what it should be. Values are as in the API; secrets and headers that carry
// credentials are hidden.
type Difference struct {
	Field string  `json:"field"`          // "url", "headers.X-Team", "signature.scheme"
	From  *string `json:"from,omitempty"` // nil: it is not set
	To    *string `json:"to,omitempty"`   // nil: it will not be set
}

// fieldNames are the fields that a manifest can have, in the order of the API.
var fieldNames = func() (names []string) {
	for _, f := range reflect.VisibleFields(reflect.TypeFor[endpoints.EndpointFields]()) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}()

// differences compares two endpoints, of which the first may be nil, field by field. A secret differs if given says
// one, since no endpoint shows its own.
func differences(from, to *endpoint.Endpoint, given map[string]json.RawMessage) ([]Difference, error) {
	before := map[string]json.RawMessage{}
	if from != nil {
		var err error
		if before, err = fieldsOf(from); err != nil {
			return nil, err
		}
	}
	after, err := fieldsOf(to)
	if err != nil {
		return nil, err
	}
	var all []Difference
	for _, name := range fieldNames {
		if name == "secret" {
			if _, ok := given[name]; ok {
				hidden := config.Secret{}.String()
				all = append(all, Difference{Field: name, To: &hidden})
			}
			continue
		}
		if name == "client_key" { // which one it is follows from the certificate, which it must fit
			if to.ClientCertificate != "" && (from == nil || from.ClientCertificate != to.ClientCertificate) && string(given[name]) != "null" && given[name] != nil {
				hidden := config.Secret{}.String()
				all = append(all, Difference{Field: name, To: &hidden})
			}
			continue
		}
		all = append(all, compare(name, before[name], after[name])...)
	}
	return all, nil
}

// compare returns the differences of a field: of an object, one for each member.
func compare(name string, before, after json.RawMessage) (all []Difference) {
	from, isObject := members(before)
	to, alsoObject := members(after)
	if !isObject && !alsoObject {
		if d := (Difference{Field: name, From: shown(name, before), To: shown(name, after)}); string(before) != string(after) {
			all = append(all, d)
		}
		return all
	}
	both := maps.Clone(from)
	maps.Copy(both, to)
	for _, member := range slices.Sorted(maps.Keys(both)) {
		if string(from[member]) != string(to[member]) {
			field := name + "." + member
			all = append(all, Difference{Field: field, From: shown(field, from[member]), To: shown(field, to[member])})
		}
	}
	return all
}

// members are those of a JSON object.
func members(value json.RawMessage) (members map[string]json.RawMessage, ok bool) {
	members = map[string]json.RawMessage{}
	ok = json.Unmarshal(value, &members) == nil && members != nil
	return members, ok
}

// shown is a value as people read it: text without quotes, a list with commas.
func shown(field string, value json.RawMessage) *string {
	if value == nil {
		return nil
	}
	text := string(value)
	var list []string
	name, isHeader := strings.CutPrefix(field, "headers.")
	switch {
	case isHeader && event.IsCredential(name):
		text = config.Secret{}.String()
	case json.Unmarshal(value, &list) == nil:
		text = cmp.Or(strings.Join(list, ", "), "none")
	default:
		_ = json.Unmarshal(value, &text) // what is no text stays as it is in JSON
	}
	return &text
}
