// Package endpoints is the admin API's operations on endpoints and their secrets. Type names are those of the OpenAPI document.
package endpoints

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"jethook/consume/admin/operation"
	"jethook/consume/cursor"
	"jethook/consume/endpoint"
	"jethook/consume/endpoint/signing"
	"jethook/consume/registry"
	"jethook/consume/toggle"
	"jethook/publish"
)

// Operations are the operations on endpoints.
type Operations struct {
	api      *operation.API
	bus      *publish.Bus
	registry *registry.Registry
	policy   *endpoint.AddressPolicy
	switches *toggle.Switch
	log      *slog.Logger
}

// New returns the operations on endpoints, without routes.
func New(api *operation.API, policy *endpoint.AddressPolicy) *Operations {
	return &Operations{
		api: api, bus: api.Bus, registry: api.Registry, policy: policy, switches: toggle.New(api.Bus, cursor.NewTable(api.Bus, api.Log)), log: api.Log,
	}
}

// Routes registers the operations.
func (o *Operations) Routes() {
	const list, one = "/api/v1/endpoints", "/api/v1/endpoints/{id}"
	op := func(id, method, path, summary, description string) huma.Operation {
		described := huma.Operation{
			OperationID: id, Method: method, Path: path, Summary: summary, Description: description, Tags: []string{"endpoints"},
		}
		if path != list {
			described.Errors = []int{http.StatusNotFound, http.StatusConflict}
			if method != http.MethodGet {
				described.Errors = append(described.Errors, http.StatusPreconditionFailed)
			}
		}
		return described
	}
	create := op("create-endpoint", http.MethodPost, list, "Create an endpoint",
		"The response contains the secret. The endpoint gets events stored from now on.")
	create.DefaultStatus = http.StatusCreated
	create.Errors = []int{http.StatusConflict}
	operation.Register(o.api, create, operation.Timeout, o.createEndpoint)
	operation.Register(o.api, op("list-endpoints", http.MethodGet, list, "List endpoints",
		"Oldest first. Changes made through another process appear within moments."), operation.Timeout, o.listEndpoints)
	read := op("get-endpoint", http.MethodGet, one, "Get an endpoint", "Returns the stored endpoint without its secrets.")
	read.Responses = map[string]*huma.Response{"304": {Description: "The endpoint has not changed since If-None-Match."}}
	operation.Register(o.api, read, operation.Timeout, o.getEndpoint)
	operation.Register(o.api, op("change-endpoint", http.MethodPatch, one, "Change an endpoint",
		"Replaces the given fields, resets fields that are null to their defaults, and keeps the others."),
		operation.Timeout, o.changeEndpoint)
	operation.Register(o.api, op("delete-endpoint", http.MethodDelete, one, "Remove an endpoint",
		"Also removes its waiting deliveries and dead letters. Its history is kept."), operation.Timeout, o.deleteEndpoint)
	operation.Register(o.api, op("enable-endpoint", http.MethodPost, one+"/enable", "Enable an endpoint",
		"Delivers what is waiting, oldest first: everything since Jethook disabled the endpoint, or what was already waiting when it was disabled "+
			"on request. With from, an endpoint disabled on request also gets the events that it missed. "+
			"An ordered endpoint gets everything."), operation.Timeout, o.enableEndpoint)
	operation.Register(o.api, op("disable-endpoint", http.MethodPost, one+"/disable", "Disable an endpoint",
		"Its waiting deliveries are kept until it is enabled. It misses events that arrive in the meantime, unless it is ordered or Jethook had already "+
			"disabled it; enabling it with from delivers them."), operation.Timeout, o.disableEndpoint)
	o.secretRoutes()
}

// Faults of a request for an endpoint.
var (
	errRemoved      = operation.NewFailure(http.StatusConflict, "removed", "the endpoint created with this Idempotency-Key was removed; choose another key")
	errPrecondition = operation.NewFailure(http.StatusPreconditionFailed, "precondition_failed", "the endpoint has changed since it was read; read it again")
	errNoPublicKey  = operation.NewFailure(http.StatusConflict, "no_public_key", "the endpoint has no Ed25519 secret; rotate it with secret_type ed25519")
)

type endpointOutput struct {
	ETag string `header:"ETag"`
	Body endpoint.Endpoint
}

type createEndpointInput struct {
	operation.IdempotencyParam
	Body EndpointFields
}

// EndpointWithSecret is an endpoint with its new secret, which no other answer about the endpoint has.
type EndpointWithSecret struct {
	endpoint.Endpoint
	Secret     string   `json:"secret"`
	SecretType string   `json:"secret_type" doc:"how the key is read from the secret: text, base64, or ed25519" example:"base64"`
	SignsWith  string   `json:"signs_with" doc:"the signing key, in words" example:"the 24 bytes that the secret encodes in base64"`
	Warnings   []string `json:"warnings,omitempty" doc:"other ways in which the receiver may read the secret"`
}

// withSecret shows a secret of an endpoint. given is the type that the request says, if any: then there is no doubt.
func withSecret(e *endpoint.Endpoint, secret signing.Secret, given string) EndpointWithSecret {
	scheme := e.Signature.Scheme
	out := EndpointWithSecret{
		Endpoint: *e, Secret: secret.Value.Reveal(), SecretType: string(secret.Kind(scheme)), SignsWith: secret.SignsWith(scheme),
	}
	if doubt := secret.Doubt(scheme); doubt != "" && given == "" {
		out.Warnings = []string{doubt}
	}
	return out
}

type createEndpointOutput struct {
	Location string `header:"Location"`
	ETag     string `header:"ETag"`
	Body     EndpointWithSecret
}

func (o *Operations) createEndpoint(ctx context.Context, in *createEndpointInput) (*createEndpointOutput, error) {
	spec := endpoint.Spec(in.Body)
	e, err := endpoint.New(&spec, o.policy, time.Now())
	if err != nil {
		return nil, err
	}
	made, err := in.Request("create endpoint", in.Body)
	if err != nil {
		return nil, err
	}
	if made.Key != "" {
		e.ID, e.Request = endpoint.IDOf(in.IdempotencyKey), made.String()
	}
	switch there, err := o.created(ctx, made, e.ID); {
	case err == nil:
		return newCreateOutput(&there, &spec), nil
	case !errors.Is(err, registry.ErrNotFound):
		return nil, err
	}
	if e.Ordered {
		if err := o.bus.Consumers().PrepareOrdered(ctx, e.ID, e.Events); err != nil {
			return nil, err
		}
	}
	e, err = o.registry.Create(ctx, e)
	if errors.Is(err, registry.ErrExists) && made.Key != "" { // the same request was faster, or its endpoint was removed
		if e, err = o.created(ctx, made, e.ID); errors.Is(err, registry.ErrNotFound) {
			err = errRemoved
		}
	}
	if err != nil {
		return nil, err
	}
	o.log.Info("endpoint created", "endpoint", e.ID, "name", e.Name)
	return newCreateOutput(&e, &spec), nil
}

// created returns the endpoint that a request with an Idempotency-Key has made before, as it is now.
func (o *Operations) created(ctx context.Context, made operation.RequestID, id string) (endpoint.Endpoint, error) {
	if made.Key == "" {
		return endpoint.Endpoint{}, registry.ErrNotFound
	}
	e, err := o.registry.Get(ctx, id)
	if err != nil {
		return e, err
	}
	_, err = made.IsRepeat(e.Request)
	return e, err
}

func newCreateOutput(e *endpoint.Endpoint, spec *endpoint.Spec) *createEndpointOutput {
	given := ""
	if spec.SecretType != nil {
		given = *spec.SecretType
	}
	return &createEndpointOutput{
		Location: "/api/v1/endpoints/" + e.ID, ETag: etag(e),
		Body: withSecret(e, e.Secrets[0], given),
	}
}

type getEndpointInput struct {
	operation.EndpointParam
	IfNoneMatch string `header:"If-None-Match" doc:"the client's ETag; the response is 304 if the endpoint has not changed"`
}

type getEndpointOutput struct {
	Status int
	ETag   string `header:"ETag"`
	Body   endpoint.Endpoint
}

func (o *Operations) getEndpoint(ctx context.Context, in *getEndpointInput) (*getEndpointOutput, error) {
	e, err := o.registry.Get(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out := &getEndpointOutput{http.StatusOK, etag(&e), operation.Visible(ctx, e)}
	if isKnown(in.IfNoneMatch, &e) {
		out.Status = http.StatusNotModified
	}
	return out, nil
}

// EndpointCondition names an endpoint, and what the client has seen of it.
type EndpointCondition struct {
	operation.EndpointParam
	PreconditionParam
}

type changeEndpointInput struct {
	EndpointCondition
	Body endpointChange
}

func (o *Operations) changeEndpoint(ctx context.Context, in *changeEndpointInput) (*endpointOutput, error) {
	spec, err := in.Body.spec()
	if err != nil {
		return nil, err
	}
	return o.update(ctx, &in.EndpointCondition, spec, time.Time{})
}

func (o *Operations) disableEndpoint(ctx context.Context, in *EndpointCondition) (*endpointOutput, error) {
	disabled := true
	return o.update(ctx, in, &endpoint.Spec{Disabled: &disabled}, time.Time{})
}

// EnableRequest asks for what passed by an endpoint.
type EnableRequest struct {
	From string `json:"from,omitempty" doc:"deliver missed events since this time (RFC 3339), from the last period, such as 24h, or since the endpoint was disabled (disabled), which is also the earliest time; absent: deliver none of them" example:"disabled"`
}

type enableEndpointInput struct {
	EndpointCondition
	Body *EnableRequest
}

func (o *Operations) enableEndpoint(ctx context.Context, in *enableEndpointInput) (*endpointOutput, error) {
	var from time.Time
	if in.Body != nil && in.Body.From == "disabled" {
		from = toggle.FromDisabled
	} else if in.Body != nil {
		var ok bool
		if from, ok = operation.ParseTime(in.Body.From, time.Now()); !ok {
			return nil, operation.Invalid(operation.FailureField{
				Field: "from", Message: "must be disabled, a time such as 2026-01-02T15:04:05Z, or a period such as 24h",
			})
		}
	}
	disabled := false
	return o.update(ctx, &in.EndpointCondition, &endpoint.Spec{Disabled: &disabled}, from)
}

func (o *Operations) update(ctx context.Context, in *EndpointCondition, spec *endpoint.Spec, from time.Time) (*endpointOutput, error) {
	was := false
	e, err := o.registry.Update(ctx, in.ID, func(e *endpoint.Endpoint) error {
		was = e.Disabled
		if err := in.check(e); err != nil {
			return err
		}
		next, err := e.With(spec, o.policy, time.Now())
		if err != nil {
			return err
		}
		if next.Ordered && !slices.Equal(e.Events, next.Events) {
			if err := o.bus.Consumers().PrepareOrdered(ctx, in.ID, slices.Concat(e.Events, next.Events)); err != nil {
				return err
			}
		} else if !slices.Equal(e.Events, next.Events) {
			if err := o.bus.Consumers().WidenCursors(ctx, in.ID, slices.Concat(e.Events, next.Events)); err != nil {
				return err
			}
		}
		if err := o.switches.Prepare(ctx, e, &next, from); err != nil {
			return err
		}
		*e = next
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := o.switches.Settle(ctx, &e); err != nil {
		o.log.Debug("new events still reach the disabled endpoint", "endpoint", e.ID, "error", err)
	}
	change := "endpoint changed"
	switch {
	case e.Disabled && !was:
		change = "endpoint disabled"
	case !e.Disabled && was:
		change = "endpoint enabled"
	}
	o.log.Info(change, "endpoint", e.ID, "name", e.Name, "disabled", e.Disabled)
	return &endpointOutput{etag(&e), e}, nil
}

func (o *Operations) deleteEndpoint(ctx context.Context, in *EndpointCondition) (*struct{}, error) {
	if !operation.EndpointID.MatchString(in.ID) {
		return nil, registry.ErrNotFound
	}
	err := o.registry.DeleteIf(ctx, in.ID, in.check)
	if err != nil && !errors.Is(err, registry.ErrNotFound) {
		return nil, err
	}
	// Also for one that is removed already: a request that failed between the two is made again.
	if err := o.bus.Deliveries().Forget(ctx, in.ID); err != nil {
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	o.log.Info("endpoint removed", "endpoint", in.ID)
	return nil, nil
}
