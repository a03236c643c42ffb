package endpoints

import (
	"context"
	"encoding/base64"
	"strings"
	"time"

	"jethook/consume/admin/operation"
	"jethook/consume/endpoint"
)

// EndpointPage is one page of the list of endpoints.
type EndpointPage struct {
	Items      []endpoint.Endpoint `json:"items"`
	NextCursor string              `json:"next_cursor" doc:"cursor of the next page; empty on the last page"`
}

type listEndpointsInput struct{ operation.PageParams }

func (o *Operations) listEndpoints(ctx context.Context, in *listEndpointsInput) (*operation.Answer[EndpointPage], error) {
	created, id, err := parsePlace(in.Cursor)
	if err != nil {
		return nil, operation.Invalid(operation.BadCursor)
	}
	out := &operation.Answer[EndpointPage]{Body: EndpointPage{Items: []endpoint.Endpoint{}}}
	for _, e := range o.registry.All() {
		if c := e.CreatedAt.Compare(created); c < 0 || c == 0 && e.ID <= id {
			continue
		}
		if n := len(out.Body.Items); n == in.Limit {
			out.Body.NextCursor = place(&out.Body.Items[n-1])
			break
		}
		out.Body.Items = append(out.Body.Items, operation.Visible(ctx, *e))
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
