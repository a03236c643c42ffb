package operation

import (
	"context"
	"maps"

	"jethook/consume/admin/access"
	"jethook/consume/attempt"
	"jethook/consume/endpoint"
)

// Visible is an endpoint as the request may see it: headers and URLs can hold secrets.
func Visible(ctx context.Context, e endpoint.Endpoint) endpoint.Endpoint {
	if access.Of(ctx).Access == access.Write {
		return e
	}
	return Masked(e)
}

// Masked is an endpoint without what can be a secret.
func Masked(e endpoint.Endpoint) endpoint.Endpoint {
	e.URL = attempt.ShownURL(&e)
	e.Headers = maps.Clone(e.Headers)
	for name := range e.Headers {
		e.Headers[name] = attempt.Masked
	}
	return e
}
