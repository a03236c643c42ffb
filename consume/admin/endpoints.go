package admin

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"jethook/consume"
	"jethook/consume/endpoint"
)

func (s *Server) endpointRoutes() {
	const list, one = "/api/v1/endpoints", "/api/v1/endpoints/{id}"
	op := func(id, method, path, summary, description string) huma.Operation {
		o := huma.Operation{
			OperationID: id, Method: method, Path: path, Summary: summary, Description: description, Tags: []string{"endpoints"},
		}
		if path != list {
			o.Errors = []int{http.StatusNotFound, http.StatusConflict}
			if method != http.MethodGet {
				o.Errors = append(o.Errors, http.StatusPreconditionFailed)
			}
		}
		return o
	}
	create := op("create-endpoint", http.MethodPost, list, "Create an endpoint",
		"The response contains the secret. The endpoint gets events stored from now on.")
	create.DefaultStatus = http.StatusCreated
	create.Errors = []int{http.StatusConflict}
	register(s, create, requestTimeout, s.createEndpoint)
	register(s, op("list-endpoints", http.MethodGet, list, "List endpoints",
		"Oldest first. Changes made through another process appear within moments."), requestTimeout, s.listEndpoints)
	read := op("get-endpoint", http.MethodGet, one, "Get an endpoint", "Returns the stored endpoint without its secrets.")
	read.Responses = map[string]*huma.Response{"304": {Description: "The endpoint has not changed since If-None-Match."}}
	register(s, read, requestTimeout, s.getEndpoint)
	register(s, op("change-endpoint", http.MethodPatch, one, "Change an endpoint",
		"Replaces the given fields, resets fields that are null to their defaults, and keeps the others."),
		requestTimeout, s.changeEndpoint)
	register(s, op("delete-endpoint", http.MethodDelete, one, "Remove an endpoint",
		"Also removes its waiting deliveries and dead letters. Its history is kept."), requestTimeout, s.deleteEndpoint)
	register(s, op("enable-endpoint", http.MethodPost, one+"/enable", "Enable an endpoint",
		"Delivers what is waiting, oldest first: everything since Jethook disabled the endpoint, or what was already waiting when it was disabled "+
			"on request. With from, an endpoint disabled on request also gets the events that it missed. "+
			"An ordered endpoint gets everything."), requestTimeout, s.enableEndpoint)
	register(s, op("disable-endpoint", http.MethodPost, one+"/disable", "Disable an endpoint",
		"Its waiting deliveries are kept until it is enabled. It misses events that arrive in the meantime, unless it is ordered or Jethook had already "+
			"disabled it; enabling it with from delivers them."), requestTimeout, s.disableEndpoint)
	s.secretRoutes()
}

// EndpointParam names an endpoint.
type EndpointParam struct {
	ID string `path:"id" doc:"the endpoint's id"`
}

type endpointOutput struct {
	ETag string `header:"ETag"`
	Body endpoint.Endpoint
}

type createEndpointInput struct {
	IdempotencyParam
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
func withSecret(e *endpoint.Endpoint, secret endpoint.Secret, given string) EndpointWithSecret {
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

func (s *Server) createEndpoint(ctx context.Context, in *createEndpointInput) (*createEndpointOutput, error) {
	spec := endpoint.Spec(in.Body)
	e, err := endpoint.New(&spec, s.policy, time.Now())
	if err != nil {
		return nil, err
	}
	made, err := in.request("create endpoint", in.Body)
	if err != nil {
		return nil, err
	}
	if made.key != "" {
		e.ID, e.Request = endpoint.IDOf(in.IdempotencyKey), made.String()
	}
	switch there, err := s.created(ctx, made, e.ID); {
	case err == nil:
		return newCreateOutput(&there, &spec), nil
	case !errors.Is(err, endpoint.ErrNotFound):
		return nil, err
	}
	if e.Ordered {
		if err := s.bus.Consumers().PrepareOrdered(ctx, e.ID, e.Events); err != nil {
			return nil, err
		}
	}
	e, err = s.registry.Create(ctx, e)
	if errors.Is(err, endpoint.ErrExists) && made.key != "" { // the same request was faster, or its endpoint was removed
		if e, err = s.created(ctx, made, e.ID); errors.Is(err, endpoint.ErrNotFound) {
			err = errRemoved
		}
	}
	if err != nil {
		return nil, err
	}
	s.log.Info("endpoint created", "endpoint", e.ID, "name", e.Name)
	return newCreateOutput(&e, &spec), nil
}

// created returns the endpoint that a request with an Idempotency-Key has made before, as it is now.
func (s *Server) created(ctx context.Context, made requestID, id string) (endpoint.Endpoint, error) {
	if made.key == "" {
		return endpoint.Endpoint{}, endpoint.ErrNotFound
	}
	e, err := s.registry.Get(ctx, id)
	if err != nil {
		return e, err
	}
	_, err = made.isRepeat(e.Request)
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

// EndpointPage is one page of the list of endpoints.
type EndpointPage struct {
	Items      []endpoint.Endpoint `json:"items"`
	NextCursor string              `json:"next_cursor" doc:"cursor of the next page; empty on the last page"`
}

type listEndpointsInput struct{ PageParams }

type listEndpointsOutput struct{ Body EndpointPage }

func (s *Server) listEndpoints(ctx context.Context, in *listEndpointsInput) (*listEndpointsOutput, error) {
	created, id, err := parsePlace(in.Cursor)
	if err != nil {
		return nil, invalid(badCursor)
	}
	out := &listEndpointsOutput{EndpointPage{Items: []endpoint.Endpoint{}}}
	for _, e := range s.registry.All() {
		if c := e.CreatedAt.Compare(created); c < 0 || c == 0 && e.ID <= id {
			continue
		}
		if n := len(out.Body.Items); n == in.Limit {
			out.Body.NextCursor = place(&out.Body.Items[n-1])
			break
		}
		out.Body.Items = append(out.Body.Items, visible(ctx, *e))
	}
	return out, nil
}

// place is a cursor: where in the order of the list its last item stands, so that pages neither repeat nor
// pass over endpoints while others come and go.
func place(e *endpoint.Endpoint) string {
	return base64.RawURLEncoding.EncodeToString([]byte(e.CreatedAt.Format(time.RFC3339Nano) + " " + e.ID))
}

func parsePlace(cursor string) (created time.Time, id string, err error) {
	if cursor == "" {
		return created, "", nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return created, "", err
	}
	at, id, _ := strings.Cut(string(raw), " ")
	created, err = time.Parse(time.RFC3339Nano, at)
	return created, id, err
}

type getEndpointInput struct {
	EndpointParam
	IfNoneMatch string `header:"If-None-Match" doc:"the client's ETag; the response is 304 if the endpoint has not changed"`
}

type getEndpointOutput struct {
	Status int
	ETag   string `header:"ETag"`
	Body   endpoint.Endpoint
}

func (s *Server) getEndpoint(ctx context.Context, in *getEndpointInput) (*getEndpointOutput, error) {
	e, err := s.registry.Get(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out := &getEndpointOutput{http.StatusOK, etag(&e), visible(ctx, e)}
	if isKnown(in.IfNoneMatch, &e) {
		out.Status = http.StatusNotModified
	}
	return out, nil
}

// EndpointCondition names an endpoint, and what the client has seen of it.
type EndpointCondition struct {
	EndpointParam
	PreconditionParam
}

type changeEndpointInput struct {
	EndpointCondition
	Body endpointChange
}

func (s *Server) changeEndpoint(ctx context.Context, in *changeEndpointInput) (*endpointOutput, error) {
	spec, err := in.Body.spec()
	if err != nil {
		return nil, err
	}
	return s.update(ctx, &in.EndpointCondition, spec, time.Time{})
}

func (s *Server) disableEndpoint(ctx context.Context, in *EndpointCondition) (*endpointOutput, error) {
	disabled := true
	return s.update(ctx, in, &endpoint.Spec{Disabled: &disabled}, time.Time{})
}

// EnableRequest asks for what passed by an endpoint.
type EnableRequest struct {
	From string `json:"from,omitempty" doc:"deliver missed events since this time (RFC 3339), from the last period, such as 24h, or since the endpoint was disabled (disabled), which is also the earliest time; absent: deliver none of them" example:"disabled"`
}

type enableEndpointInput struct {
	EndpointCondition
	Body *EnableRequest
}

func (s *Server) enableEndpoint(ctx context.Context, in *enableEndpointInput) (*endpointOutput, error) {
	var from time.Time
	if in.Body != nil && in.Body.From == "disabled" {
		from = consume.FromDisabled
	} else if in.Body != nil {
		var ok bool
		if from, ok = parseTime(in.Body.From, time.Now()); !ok {
			return nil, invalid(FailureField{
				Field: "from", Message: "must be disabled, a time such as 2026-01-02T15:04:05Z, or a period such as 24h",
			})
		}
	}
	disabled := false
	return s.update(ctx, &in.EndpointCondition, &endpoint.Spec{Disabled: &disabled}, from)
}

func (s *Server) update(ctx context.Context, in *EndpointCondition, spec *endpoint.Spec, from time.Time) (*endpointOutput, error) {
	was := false
	e, err := s.registry.Update(ctx, in.ID, func(e *endpoint.Endpoint) error {
		was = e.Disabled
		if err := in.check(e); err != nil {
			return err
		}
		next, err := e.With(spec, s.policy, time.Now())
		if err != nil {
			return err
		}
		if next.Ordered && !slices.Equal(e.Events, next.Events) {
			if err := s.bus.Consumers().PrepareOrdered(ctx, in.ID, slices.Concat(e.Events, next.Events)); err != nil {
				return err
			}
		} else if !slices.Equal(e.Events, next.Events) {
			if err := s.bus.Consumers().WidenCursors(ctx, in.ID, slices.Concat(e.Events, next.Events)); err != nil {
				return err
			}
		}
		if err := s.switches.Prepare(ctx, e, &next, from); err != nil {
			return err
		}
		*e = next
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := s.switches.Settle(ctx, &e); err != nil {
		s.log.Debug("new events still reach the disabled endpoint", "endpoint", e.ID, "error", err)
	}
	change := "endpoint changed"
	switch {
	case e.Disabled && !was:
		change = "endpoint disabled"
	case !e.Disabled && was:
		change = "endpoint enabled"
	}
	s.log.Info(change, "endpoint", e.ID, "name", e.Name, "disabled", e.Disabled)
	return &endpointOutput{etag(&e), e}, nil
}

func (s *Server) deleteEndpoint(ctx context.Context, in *EndpointCondition) (*struct{}, error) {
	if !idToken.MatchString(in.ID) {
		return nil, endpoint.ErrNotFound
	}
	err := s.registry.DeleteIf(ctx, in.ID, in.check)
	if err != nil && !errors.Is(err, endpoint.ErrNotFound) {
		return nil, err
	}
	// Also for one that is removed already: a request that failed between the two is made again.
	if err := s.bus.Deliveries().Forget(ctx, in.ID); err != nil {
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	s.log.Info("endpoint removed", "endpoint", in.ID)
	return nil, nil
}
