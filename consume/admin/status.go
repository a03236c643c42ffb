package admin

import (
	"context"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"

	"jethook/consume/admin/operation"
	"jethook/consume/status"
	"jethook/publish/report"
)

func (s *Server) statusRoutes() {
	operation.Register(s.operations, huma.Operation{
		OperationID: "get-status", Method: http.MethodGet, Path: "/api/v1/status", Tags: []string{"status"},
		Summary: "Show what is stuck",
		Description: "The state of each endpoint, worst first; how full the streams are; how far the processes have got; what each " +
			"source sends. It is computed at most once a second. What can't be read is left out and named in incomplete.",
	}, status.BuildTime+operation.Timeout, s.getStatus)
}

// Gauges are what the status tells, in the form of metrics. Endpoints that find no place in names are added up.
func (s *Server) Gauges(names *report.Names) prometheus.Collector {
	return status.NewGauges(s.board, names)
}

type statusInput struct {
	Endpoint string `query:"endpoint" doc:"only this endpoint's id"`
}

func (s *Server) getStatus(ctx context.Context, in *statusInput) (*operation.Answer[status.Status], error) {
	if in.Endpoint != "" && !operation.EndpointID.MatchString(in.Endpoint) {
		return nil, operation.Invalid(operation.FailureField{Field: "endpoint", Message: "is not an endpoint's id"})
	}
	all, err := s.board.Status(ctx)
	if err != nil {
		return nil, err
	}
	out := &operation.Answer[status.Status]{Body: *all}
	if in.Endpoint == "" {
		return out, nil
	}
	out.Body.Endpoints = []status.Endpoint{}
	for i := range all.Endpoints {
		if all.Endpoints[i].ID == in.Endpoint {
			out.Body.Endpoints = all.Endpoints[i : i+1 : i+1]
		}
	}
	return out, nil
}

// schemaName names a type in the OpenAPI document, where names have no package: a source's status is no source.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	if t = deref(t); t.PkgPath() == reflect.TypeFor[status.Status]().PkgPath() && t != reflect.TypeFor[status.Status]() {
		return "Status" + name
	}
	return name
}

func deref(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

// Status is GET /api/v1/status, for a caller in the same process. It is shared and must not be modified.
func (s *Server) Status(ctx context.Context) (*status.Status, error) { return s.board.Status(ctx) }
