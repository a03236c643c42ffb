package admin

import (
	"context"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"jethook/consume/admin/access"
	"jethook/publish/audit"
)

// action is what an operation asks of who wants it done.
type action struct {
	needs access.Level
	name  string // in the audit trail; empty: it is not noted
}

// actions are the operations for which it is not enough to be let in, by their ids. Each that changes something is here.
var actions = map[string]action{
	"create-endpoint":      {access.Write, "endpoint.create"},
	"change-endpoint":      {access.Write, "endpoint.update"},
	"delete-endpoint":      {access.Write, "endpoint.delete"},
	"rotate-endpoint":      {access.Write, "endpoint.rotate"},
	"get-endpoint-secret":  {access.Write, "endpoint.reveal"},
	"enable-endpoint":      {access.Operate, "endpoint.enable"},
	"disable-endpoint":     {access.Operate, "endpoint.disable"},
	"test-endpoint":        {access.Operate, "endpoint.test"},
	"recover-endpoint":     {access.Operate, "endpoint.recover"},
	"cancel-recovery":      {access.Operate, "recovery.cancel"},
	"retry-delivery":       {access.Operate, "delivery.retry"},
	"replay-dead":          {access.Operate, "dead.replay"},
	"remove-dead":          {access.Write, "dead.remove"},
	"remove-dead-letter":   {access.Write, "dead.remove"},
	"send-event":           {access.Write, "event.send"},
	"resend-event":         {access.Operate, "event.resend"},
	"retry-rejected":       {access.Operate, "rejected.retry"},
	"remove-rejected":      {access.Write, "rejected.remove"},
	"pair-source":          {access.Write, "source.pair"},
	"get-source-secret":    {access.Write, "source.reveal"},
	"forget-source-secret": {access.Write, "source.forget"},
	"preview-delivery":     {access.Write, ""}, // the signature is as good as the secret, once
	"get-source-sample":    {access.Write, ""}, // and so is this one
}

// noteTimeout is how long the store may take for the entry after an action, whoever still waits for the answer.
const noteTimeout = 5 * time.Second

// perform is the one place through which every operation goes, of the API and of the pages. It holds the actor against what the
// operation needs, and notes in the audit trail what is about to happen, and what came of it. What can't be noted does
// not happen: the caller gets 503. The second entry is only logged where the store does not take it, since what it tells of
// has happened; the first one then says that it was begun.
func perform[I, O any](ctx context.Context, s *Server, id string, in *I, handle func(context.Context, *I) (*O, error)) (*O, error) {
	act, ok := actions[id]
	if !ok {
		return handle(ctx, in)
	}
	who := access.Of(ctx)
	if !who.Access.Allows(act.needs) {
		return nil, errRole
	}
	if act.name == "" {
		return handle(ctx, in)
	}
	entry := audit.Entry{
		Time: time.Now().UTC(), Action: act.name, Target: targetOf(in), Actor: who.Name, Remote: who.Remote, Agent: who.Agent,
	}
	entry.Fields, entry.Changes = askedOf(in)
	before := s.snapshot(ctx, act.name, entry.Target)
	place, err := s.bus.AuditTrail().Add(ctx, entry)
	if err != nil {
		return nil, err
	}
	out, err := handle(ctx, in)
	done := entry
	done.Time, done.Of, done.Result = time.Now().UTC(), place, "ok"
	if err != nil {
		done.Result = failureOf(err).Detail.Code
	}
	if done.Target == "" && out != nil {
		done.Target = madeBy(out)
	}
	// Whoever asked may have gone.
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTimeout)
	defer cancel()
	if err == nil {
		if changes := changed(before, s.snapshot(after, act.name, done.Target)); changes != nil {
			done.Changes = changes
		}
	}
	if _, failed := s.bus.AuditTrail().Add(after, done); failed != nil {
		s.log.Error("the audit trail lacks the end of an action", "action", done.Action, "target", done.Target, "actor", done.Actor,
			"result", done.Result, "begun", place, "error", failed)
	}
	return out, err
}

// shownFields are the fields of an endpoint whose values the trail holds, as they were and became. None is a secret: URLs are
// without their queries' values, and headers and secrets are not among them.
var shownFields = []string{
	"name", "url", "events", "format", "retry_schedule", "timeout", "rate_limit", "concurrency", "ordered", "disabled",
}

// snapshot returns those fields of an endpoint by their names; nil if there is none, or the action is about something else.
func (s *Server) snapshot(ctx context.Context, name, id string) map[string]json.RawMessage {
	if s.registry == nil || !strings.HasPrefix(name, "endpoint.") || !idToken.MatchString(id) {
		return nil
	}
	e, err := s.registry.Get(ctx, id)
	if err != nil {
		return nil
	}
	return jsonFields(masked(e))
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
