package operation

import (
	"context"
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

// Perform is the one place through which every operation goes, of the API and of the pages. It holds the actor against what the
// operation needs, and notes in the audit trail what is about to happen, and what came of it. What can't be noted does
// not happen: the caller gets 503. Nothing noted happens while the store is being moved. The second entry is only logged where the store does not take it, since what it tells of
// has happened; the first one then says that it was begun.
func Perform[I, O any](ctx context.Context, a *API, id string, limit time.Duration, in *I, handle func(context.Context, *I) (*O, error)) (*O, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
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
	leave, err := a.Bus.Moving().Enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	entry := audit.Entry{
		Time: time.Now().UTC(), Action: act.name, Target: targetOf(in), Actor: who.Name, Remote: who.Remote, Agent: who.Agent,
	}
	entry.Fields, entry.Changes = askedOf(in)
	before := a.snapshot(ctx, act.name, entry.Target)
	place, err := a.Bus.AuditTrail().Add(ctx, entry)
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
		if changes := changed(before, a.snapshot(after, act.name, done.Target)); changes != nil {
			done.Changes = changes
		}
	}
	if _, failed := a.Bus.AuditTrail().Add(after, done); failed != nil {
		a.Log.Error("the audit trail lacks the end of an action", "action", done.Action, "target", done.Target, "actor", done.Actor,
			"result", done.Result, "begun", place, "error", failed)
	}
	return out, err
}
