package events

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"jethook/consume/admin/operation"
	"jethook/consume/deliveries"
	"jethook/consume/endpoint"
	"jethook/consume/registry"
	"jethook/publish/delivery"
	"jethook/publish/event"
	"jethook/publish/failure"
	"jethook/publish/topology"
)

func (o *Operations) resendRoutes() {
	operation.Register(o.api, huma.Operation{
		OperationID: "resend-event", Method: http.MethodPost, Path: "/api/v1/events/{id}/resend", Tags: []string{"events"},
		Summary: "Send an event again",
		Description: "Sends the event to the given endpoints, whether or not their patterns match, or else to every endpoint whose patterns match. A waiting delivery is " +
			"attempted now, a dead one is replayed, and a delivered or missing one starts over with its first attempt. Disabled " +
			"endpoints get nothing. The event is looked up as by GET. Without an Idempotency-Key, repeating the request " +
			"within 5 s returns the same response and does nothing else.",
		DefaultStatus: http.StatusAccepted,
		Errors:        []int{http.StatusNotFound, http.StatusConflict},
	}, operation.BulkTimeout, o.resendEvent)
}

// ResendRequest chooses who gets an event again.
type ResendRequest struct {
	Endpoints []string `json:"endpoints,omitempty" minItems:"1" maxItems:"1000" doc:"ids of endpoints; absent: all endpoints whose patterns match" example:"ep_9zk3"`
}

type resendInput struct {
	operation.IdempotencyParam
	EventParams
	Body *ResendRequest
}

// Resent says what came of sending an event again.
type Resent struct {
	ID         string           `json:"id" doc:"the event's id" example:"evt_4Qm2"`
	Subject    string           `json:"subject" doc:"the event's subject" example:"events.order.created"`
	Deliveries []ResentDelivery `json:"deliveries" doc:"one for each endpoint"`
}

// ResentDelivery says what came of sending an event to one endpoint again.
type ResentDelivery struct {
	ID       string `json:"id" doc:"the delivery's id" example:"ep_9zk3.events:evt_4Qm2"`
	Endpoint string `json:"endpoint" doc:"the endpoint's id" example:"ep_9zk3"`
	Result   string `json:"result" enum:"sent,under_way,disabled" example:"sent" doc:"sent: it is attempted now; under_way: an attempt was already running; disabled: the endpoint is disabled, and nothing was changed"`
}

// Results of sending an event to one endpoint again.
const (
	ResultSent     = "sent"
	ResultUnderWay = "under_way"
	ResultDisabled = "disabled"
)

// momentary is how long the same request without an Idempotency-Key is the same one: a button that is pressed twice.
const momentary = 5 * time.Second

func (o *Operations) resendEvent(ctx context.Context, in *resendInput) (*operation.Answer[Resent], error) {
	if _, err := in.query(); err != nil {
		return nil, err
	}
	var named []endpoint.Endpoint
	if in.Body != nil {
		var err error
		if named, err = o.named(ctx, in.Body.Endpoints); err != nil {
			return nil, err
		}
	}
	made, lasts, err := in.identify()
	if err != nil {
		return nil, err
	}
	r, err := o.beginResend(ctx, made, lasts)
	if err != nil {
		return nil, err
	}
	if r.note.Answer != nil {
		return &operation.Answer[Resent]{Body: *r.note.Answer}, nil
	}
	found, _, err := o.find(ctx, &in.EventParams)
	if err != nil {
		return nil, err
	}
	if in.Body == nil || in.Body.Endpoints == nil {
		named = o.subscribed(found.Subject)
	}
	answer := &Resent{ID: found.ID, Subject: found.Subject}
	if answer.Deliveries, err = o.resend(ctx, &found.Event, named, r.asked()); err != nil {
		return nil, err
	}
	o.log.Info("event sent again", "event", found.ID, "subject", found.Subject, "endpoints", len(named))
	// By a key it is answered as before. Without one, what did nothing may do something when it is asked again.
	if in.IdempotencyKey != "" || slices.ContainsFunc(answer.Deliveries, func(d ResentDelivery) bool { return d.Result == ResultSent }) {
		o.endResend(ctx, r, answer)
	}
	return &operation.Answer[Resent]{Body: *answer}, nil
}

// identify returns what a request to resend is remembered by, and for how long it is the same one; 0: as long as it is
// remembered.
func (in *resendInput) identify() (made operation.RequestID, lasts time.Duration, err error) {
	content := struct {
		ID   string
		Span SpanParams
		Body *ResendRequest
	}{in.ID, in.SpanParams, in.Body}
	if in.IdempotencyKey != "" {
		made, err = in.Request("resend event", content)
		return made, 0, err
	}
	made, err = operation.SameContent("resend event within a moment", content)
	return made, momentary, err
}

// named returns the endpoints with the ids.
func (o *Operations) named(ctx context.Context, ids []string) ([]endpoint.Endpoint, error) {
	all := make([]endpoint.Endpoint, len(ids))
	var fields []operation.FailureField
	wrong := func(i int, message string) {
		fields = append(fields, operation.FailureField{Field: fmt.Sprintf("endpoints[%d]", i), Message: message})
	}
	for i, id := range ids {
		if slices.Contains(ids[:i], id) {
			wrong(i, "is given twice")
			continue
		}
		var err error
		all[i], err = o.registry.Get(ctx, id)
		if errors.Is(err, registry.ErrNotFound) {
			wrong(i, "no such endpoint")
		} else if err != nil {
			return nil, err
		}
	}
	if len(fields) > 0 {
		return nil, operation.Invalid(fields...)
	}
	return all, nil
}

// subscribed returns the endpoints whose patterns match a subject, the disabled ones too.
func (o *Operations) subscribed(subject string) (all []endpoint.Endpoint) {
	for _, e := range o.registry.All() {
		if topology.MatchesAny(subject, e.Events) {
			all = append(all, *e)
		}
	}
	return all
}

// resendsAtOnce is to how many endpoints an event is sent again at the same time: each takes some round trips to the store.
const resendsAtOnce = 16

// resend sends an event to endpoints again. Cut off half-way, the same request does the rest.
func (o *Operations) resend(ctx context.Context, e *event.Event, to []endpoint.Endpoint, asked deliveries.Asked) ([]ResentDelivery, error) {
	out := make([]ResentDelivery, len(to))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(resendsAtOnce)
	for i := range to {
		d := delivery.Delivery{Endpoint: to[i].ID, Event: *e}
		out[i] = ResentDelivery{ID: d.ID(), Endpoint: d.Endpoint, Result: ResultDisabled}
		if to[i].Disabled {
			continue
		}
		g.Go(func() error {
			err := o.ledger.Redeliver(ctx, d.Endpoint, e, asked)
			switch {
			case err == nil:
				out[i].Result = ResultSent
			case errors.Is(err, deliveries.ErrUnderWay):
				out[i].Result = ResultUnderWay
			default:
				return fmt.Errorf("sending %s again: %w", d.ID(), err)
			}
			return nil
		})
	}
	return out, g.Wait()
}

// resending is a request to resend that is being carried out.
type resending struct {
	kv       jetstream.KeyValue
	made     operation.RequestID
	note     operation.Remembered[Resent]
	revision uint64
}

// asked names it to the ledger. The same key at another time is another request.
func (r *resending) asked() deliveries.Asked {
	return deliveries.Asked{Key: r.made.Key + "." + strconv.FormatInt(r.note.Asked.UnixNano(), 36), Mark: r.note.Mark}
}

// beginResend notes that a request is made, or returns the note of the same request of before; one that is older than it
// lasts is forgotten.
func (o *Operations) beginResend(ctx context.Context, made operation.RequestID, lasts time.Duration) (*resending, error) {
	kv, err := o.bus.Buckets().Requests(ctx)
	if err != nil {
		return nil, err
	}
	mark, err := o.ledger.Mark(ctx)
	if err != nil {
		return nil, err
	}
	fresh := operation.Remembered[Resent]{Request: made.String(), Asked: time.Now().UTC(), Mark: mark}
	note, revision, err := operation.Remember(ctx, kv, made, fresh)
	// Clocks of two processes may differ: a note from far ahead is as old.
	if err == nil && lasts > 0 && fresh.Asked.Sub(note.Asked).Abs() > lasts {
		note = fresh
		revision, err = operation.Amend(ctx, kv, made, note, revision)
		if errors.Is(err, failure.ErrConflict) { // the same request was faster
			note, revision, err = operation.Remember(ctx, kv, made, fresh)
		}
	}
	return &resending{kv: kv, made: made, note: note, revision: revision}, err
}

// endResend notes the answer. Without that note the request, made again, still delivers nothing twice.
func (o *Operations) endResend(ctx context.Context, r *resending, answer *Resent) {
	r.note.Answer = answer
	if _, err := operation.Amend(ctx, r.kv, r.made, r.note, r.revision); err != nil {
		o.log.Debug("note of a request not stored", "error", err)
	}
}
