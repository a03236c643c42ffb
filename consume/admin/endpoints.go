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

	"jethook/consume/endpoint"
)

func (s *Server) endpointRoutes() {
	const list, one = "/api/v1/endpoints", "/api/v1/endpoints/{id}"
	op := func(id, method, path, summary, description string) huma.Operation {
		o := huma.Operation{
			OperationID: id, Method: method, Path: path, Summary: summary, Description: description, Tags: []string{"endpoints"},
		}
		if path != list {
			o.Errors = []int{http.StatusNotFound}
		}
		return o
	}
	create := op("create-endpoint", http.MethodPost, list, "Create an endpoint",
		"The answer is the only one that ever shows the secret. Events that are stored from then on are delivered.")
	create.DefaultStatus = http.StatusCreated
	register(s, create, requestTimeout, s.createEndpoint)
	register(s, op("list-endpoints", http.MethodGet, list, "List endpoints",
		"The oldest first. A change made through another process shows within moments."), requestTimeout, s.listEndpoints)
	register(s, op("get-endpoint", http.MethodGet, one, "Read an endpoint", "As it is stored now. Its secrets are not shown."), requestTimeout, s.getEndpoint)
	register(s, op("change-endpoint", http.MethodPatch, one, "Change an endpoint",
		"Fields that are given are replaced, those that are null go back to their default, others stay as they are."),
		requestTimeout, s.changeEndpoint)
	register(s, op("delete-endpoint", http.MethodDelete, one, "Remove an endpoint",
		"What waits for it and its dead letters go too; its history stays."), requestTimeout, s.deleteEndpoint)
	register(s, op("enable-endpoint", http.MethodPost, one+"/enable", "Enable an endpoint",
		"What waited for that is delivered now."), requestTimeout, s.setDisabled(false))
	register(s, op("disable-endpoint", http.MethodPost, one+"/disable", "Disable an endpoint",
		"Deliveries that wait stay until it is enabled. Events that come meanwhile are not kept for it, unless it is ordered."),
		requestTimeout, s.setDisabled(true))
}

// EndpointParam names an endpoint.
type EndpointParam struct {
	ID string `path:"id" doc:"the endpoint's id"`
}

type endpointOutput struct{ Body endpoint.Endpoint }

type createEndpointInput struct{ Body EndpointFields }

// CreatedEndpoint is a new endpoint with its secret, which is shown this once.
type CreatedEndpoint struct {
	endpoint.Endpoint
	Secret string `json:"secret"`
}

type createEndpointOutput struct {
	Location string `header:"Location"`
	Body     CreatedEndpoint
}

func (s *Server) createEndpoint(ctx context.Context, in *createEndpointInput) (*createEndpointOutput, error) {
	spec := endpoint.Spec(in.Body)
	e, err := endpoint.New(&spec, s.policy, time.Now())
	if err != nil {
		return nil, err
	}
	if e.Ordered {
		if err := s.bus.PrepareOrdered(ctx, e.ID, e.Events); err != nil {
			return nil, err
		}
	}
	if e, err = s.registry.Create(ctx, e); err != nil {
		return nil, err
	}
	s.log.Info("endpoint created", "endpoint", e.ID, "name", e.Name)
	return &createEndpointOutput{
		Location: "/api/v1/endpoints/" + e.ID,
		Body:     CreatedEndpoint{Endpoint: e, Secret: e.Secrets[0].Value.Reveal()},
	}, nil
}

// EndpointPage is one page of the list of endpoints.
type EndpointPage struct {
	Items      []endpoint.Endpoint `json:"items"`
	NextCursor string              `json:"next_cursor" doc:"of the next page; empty when there is none"`
}

type listEndpointsInput struct{ PageParams }

type listEndpointsOutput struct{ Body EndpointPage }

func (s *Server) listEndpoints(_ context.Context, in *listEndpointsInput) (*listEndpointsOutput, error) {
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
		out.Body.Items = append(out.Body.Items, *e)
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

func (s *Server) getEndpoint(ctx context.Context, in *EndpointParam) (*endpointOutput, error) {
	e, err := s.registry.Get(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &endpointOutput{e}, nil
}

type changeEndpointInput struct {
	EndpointParam
	Body endpointChange
}

func (s *Server) changeEndpoint(ctx context.Context, in *changeEndpointInput) (*endpointOutput, error) {
	spec, err := in.Body.spec()
	if err != nil {
		return nil, err
	}
	return s.update(ctx, in.ID, spec)
}

func (s *Server) setDisabled(disabled bool) func(context.Context, *EndpointParam) (*endpointOutput, error) {
	return func(ctx context.Context, in *EndpointParam) (*endpointOutput, error) {
		return s.update(ctx, in.ID, &endpoint.Spec{Disabled: &disabled})
	}
}

func (s *Server) update(ctx context.Context, id string, spec *endpoint.Spec) (*endpointOutput, error) {
	e, err := s.registry.Update(ctx, id, func(e *endpoint.Endpoint) error {
		next, err := e.With(spec, s.policy, time.Now())
		if err != nil {
			return err
		}
		if next.Ordered && !slices.Equal(e.Events, next.Events) {
			if err := s.bus.PrepareOrdered(ctx, id, slices.Concat(e.Events, next.Events)); err != nil {
				return err
			}
		}
		*e = next
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.log.Info("endpoint changed", "endpoint", e.ID, "name", e.Name, "disabled", e.Disabled)
	return &endpointOutput{e}, nil
}

func (s *Server) deleteEndpoint(ctx context.Context, in *EndpointParam) (*struct{}, error) {
	if !idToken.MatchString(in.ID) {
		return nil, endpoint.ErrNotFound
	}
	err := s.registry.Delete(ctx, in.ID)
	if err != nil && !errors.Is(err, endpoint.ErrNotFound) {
		return nil, err
	}
	// Also for one that is removed already: a request that failed between the two is made again.
	if err := s.bus.Forget(ctx, in.ID); err != nil {
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	s.log.Info("endpoint removed", "endpoint", in.ID)
	return nil, nil
}
