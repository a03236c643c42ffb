package events

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"jethook/consume/admin/operation"
	"jethook/publish/topology"
)

func (o *Operations) matchRoutes() {
	operation.Register(o.api, huma.Operation{
		OperationID: "match-subject", Method: http.MethodGet, Path: "/api/v1/match", Tags: []string{"events"},
		Summary:     "List endpoints that would get an event",
		Description: "The endpoints whose patterns match a subject, oldest first, including disabled ones.",
	}, operation.Timeout, o.matchSubject)
}

type matchInput struct {
	Subject string `query:"subject" required:"true" doc:"the event's subject" example:"events.order.created"`
}

// Match is an endpoint that subscribed to a subject.
type Match struct {
	Endpoint       string   `json:"endpoint"`
	Name           string   `json:"name"`
	URL            string   `json:"url"`
	Events         []string `json:"events" doc:"the endpoint's patterns that match"`
	Disabled       bool     `json:"disabled" doc:"the endpoint is disabled and would not get the event now"`
	DisabledReason string   `json:"disabled_reason,omitempty"`
	Waits          bool     `json:"waits,omitempty" doc:"the endpoint is disabled and would get the event when it is enabled" example:"false"`
	Ordered        bool     `json:"ordered,omitempty"`
}

// MatchPage is the list of endpoints that subscribed to a subject.
type MatchPage struct {
	Items      []Match `json:"items"`
	NextCursor string  `json:"next_cursor" doc:"always empty: there is one page"`
}

func (o *Operations) matchSubject(ctx context.Context, in *matchInput) (*operation.Answer[MatchPage], error) {
	if !topology.IsEventSubject(in.Subject) {
		return nil, operation.Invalid(operation.FailureField{
			Field: "subject", Message: "must be a subject below webhooks., events. or jethook.ops., without wildcards, such as events.order.created",
		})
	}
	items := []Match{}
	for _, e := range o.registry.All() {
		var patterns []string
		for _, p := range e.Events {
			if topology.MatchesAny(in.Subject, []string{p}) {
				patterns = append(patterns, p)
			}
		}
		if len(patterns) > 0 {
			items = append(items, Match{
				Endpoint: e.ID, Name: e.Name, URL: operation.Visible(ctx, *e).URL, Events: patterns,
				Disabled: e.Disabled, DisabledReason: e.DisabledReason, Ordered: e.Ordered,
				Waits: e.Disabled && !e.PassesBy(),
			})
		}
	}
	return &operation.Answer[MatchPage]{Body: MatchPage{Items: items}}, nil
}
