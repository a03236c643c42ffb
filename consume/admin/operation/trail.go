package operation

import (
	"context"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"

	"jethook/publish/audit"
)

// shownFields are the fields of an endpoint whose values the trail holds, as they were and became. None is a secret: URLs are
// without their queries' values, and headers and secrets are not among them.
var shownFields = []string{
	"name", "url", "events", "format", "retry_schedule", "timeout", "rate_limit", "concurrency", "ordered", "disabled",
}

// snapshot returns those fields of an endpoint by their names; nil if there is none, or the action is about something else.
func (a *API) snapshot(ctx context.Context, name, id string) map[string]json.RawMessage {
	if a.Registry == nil || !strings.HasPrefix(name, "endpoint.") || !EndpointID.MatchString(id) {
		return nil
	}
	e, err := a.Registry.Get(ctx, id)
	if err != nil {
		return nil
	}
	return jsonFields(Masked(e))
}

// changed returns the shown fields that differ.
func changed(before, after map[string]json.RawMessage) map[string]audit.Change {
	var changes map[string]audit.Change
	for _, name := range shownFields {
		if string(before[name]) == string(after[name]) {
			continue
		}
		if changes == nil {
			changes = make(map[string]audit.Change)
		}
		changes[name] = audit.Change{Before: orNil(before[name]), After: orNil(after[name])}
	}
	return changes
}

func orNil(value json.RawMessage) any {
	if value == nil {
		return nil
	}
	return value
}

// chosenFields choose what an action is about, and are no secrets.
var chosenFields = []string{"ids", "endpoint", "endpoints", "since", "until", "reason", "all", "from", "for", "missing", "dry_run", "type", "id"}

// maxChosen bounds what is kept of one of them, in bytes of JSON.
const maxChosen = 4 << 10

// askedOf returns the names of the fields of a request's body, and the values of those that choose.
func askedOf(in any) (names []string, values map[string]audit.Change) {
	body := reflect.ValueOf(in).Elem().FieldByName("Body")
	if !body.IsValid() || body.Kind() == reflect.Pointer && body.IsNil() {
		return nil, nil
	}
	fields := jsonFields(body.Interface())
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		value := fields[name]
		if body.Kind() != reflect.Map && slices.Contains([]string{"null", `""`}, string(value)) {
			continue // was not given
		}
		names = append(names, strings.ToLower(name))
		if slices.Contains(chosenFields, name) && len(value) <= maxChosen {
			if values == nil {
				values = make(map[string]audit.Change)
			}
			values[name] = audit.Change{After: value}
		}
	}
	return names, values
}

// jsonFields returns the fields of what is an object in JSON.
func jsonFields(v any) (fields map[string]json.RawMessage) {
	data, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(data, &fields)
	}
	if err != nil {
		return nil // no object
	}
	return fields
}

// targetOf returns what the path of a request names: an id, or a source and what is below it.
func targetOf(in any) string {
	var parts []string
	for _, f := range reflect.VisibleFields(reflect.TypeOf(in).Elem()) {
		if f.Tag.Get("path") == "" {
			continue
		}
		if v, err := reflect.ValueOf(in).Elem().FieldByIndexErr(f.Index); err == nil && v.Kind() == reflect.String {
			parts = append(parts, v.String())
		}
	}
	return strings.Join(parts, "/")
}

// madeBy returns the id of what an operation made.
func madeBy(out any) string {
	v := reflect.ValueOf(out).Elem()
	if v.Kind() != reflect.Struct {
		return ""
	}
	body := v.FieldByName("Body")
	if !body.IsValid() || body.Kind() != reflect.Struct {
		return ""
	}
	if id := body.FieldByName("ID"); id.IsValid() && id.Kind() == reflect.String {
		return id.String()
	}
	return ""
}
