package endpoints

import (
	"context"
	"time"

	"jethook/consume/admin/operation"
	"jethook/consume/endpoint"
)

// What follows is for callers in the same process; see [operation.Call].

// Get is GET /api/v1/endpoints/{id}, with the tag that a change can be made to depend on.
func (o *Operations) Get(ctx context.Context, id string) (e endpoint.Endpoint, tag string, err error) {
	out, err := operation.Perform(ctx, o.api, "get-endpoint", operation.Timeout, &getEndpointInput{EndpointParam: operation.EndpointParam{ID: id}}, o.getEndpoint)
	if err != nil {
		return endpoint.Endpoint{}, "", err
	}
	return out.Body, out.ETag, nil
}

// Create is POST /api/v1/endpoints. The key names the request, as an Idempotency-Key does.
func (o *Operations) Create(ctx context.Context, spec *endpoint.Spec, key string) (*EndpointWithSecret, error) {
	in := &createEndpointInput{IdempotencyParam: operation.IdempotencyParam{IdempotencyKey: key}, Body: EndpointFields(*spec)}
	out, err := operation.Perform(ctx, o.api, "create-endpoint", operation.Timeout, in, o.createEndpoint)
	if err != nil {
		return nil, err
	}
	return &out.Body, nil
}

// condition names an endpoint, and the tag that it must still have; an empty one holds always.
func condition(id, tag string) *EndpointCondition {
	return &EndpointCondition{operation.EndpointParam{ID: id}, PreconditionParam{tag}}
}

type specInput struct {
	EndpointCondition
	Body *endpoint.Spec
}

// Change is PATCH /api/v1/endpoints/{id}.
func (o *Operations) Change(ctx context.Context, id, tag string, spec *endpoint.Spec) error {
	in := &specInput{EndpointCondition: *condition(id, tag), Body: spec}
	_, err := operation.Perform(ctx, o.api, "change-endpoint", operation.Timeout, in, func(ctx context.Context, in *specInput) (*endpointOutput, error) {
		return o.update(ctx, &in.EndpointCondition, in.Body, time.Time{})
	})
	return err
}

// Enable is POST /api/v1/endpoints/{id}/enable.
func (o *Operations) Enable(ctx context.Context, id, from string) error {
	in := &enableEndpointInput{EndpointCondition: *condition(id, ""), Body: &EnableRequest{From: from}}
	_, err := operation.Perform(ctx, o.api, "enable-endpoint", operation.Timeout, in, o.enableEndpoint)
	return err
}

// Disable is POST /api/v1/endpoints/{id}/disable.
func (o *Operations) Disable(ctx context.Context, id string) error {
	_, err := operation.Perform(ctx, o.api, "disable-endpoint", operation.Timeout, condition(id, ""), o.disableEndpoint)
	return err
}

// Remove is DELETE /api/v1/endpoints/{id}.
func (o *Operations) Remove(ctx context.Context, id string) error {
	_, err := operation.Perform(ctx, o.api, "delete-endpoint", operation.Timeout, condition(id, ""), o.deleteEndpoint)
	return err
}

// Rotate is POST /api/v1/endpoints/{id}/rotate.
func (o *Operations) Rotate(ctx context.Context, id string, how Rotation, key string) (*EndpointWithSecret, error) {
	in := &rotateInput{EndpointParam: operation.EndpointParam{ID: id}, IdempotencyParam: operation.IdempotencyParam{IdempotencyKey: key}, Body: &how}
	out, err := operation.Perform(ctx, o.api, "rotate-endpoint", operation.Timeout, in, o.rotateEndpoint)
	if err != nil {
		return nil, err
	}
	return &out.Body, nil
}

// Reveal is GET /api/v1/endpoints/{id}/secret.
func (o *Operations) Reveal(ctx context.Context, id string) (*SecretList, error) {
	return operation.Call(ctx, o.api, "get-endpoint-secret", operation.Timeout, &operation.EndpointParam{ID: id}, o.revealSecrets)
}
