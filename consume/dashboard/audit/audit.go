// Package audit is the page of what operators did.
package audit

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"jethook/consume/admin/auditing"
	"jethook/consume/admin/operation"
	"jethook/consume/dashboard/frame"
	"jethook/consume/dashboard/names"
)

//go:embed *.html
var templates embed.FS

type pages struct {
	*frame.Frame
	api   API
	names *names.Names
}

// API is what the page asks for.
type API interface {
	List(ctx context.Context, page operation.PageParams, params auditing.AuditParams) (*auditing.AuditPage, error)
}

// Add adds the page to a frame.
func Add(f *frame.Frame, api API, n *names.Names) {
	s := &pages{f, api, n}
	f.Templates(templates)
	f.Page("GET /audit", s.audit)
}

// auditPage is the list of what operators did.
type auditPage struct {
	Filter *frame.Filter
	Rows   []auditRow
	Pager  frame.Pager
	Wrong  []operation.FailureField
}

// auditRow is an entry of the audit trail.
type auditRow struct {
	auditing.AuditItem
	Link   string   // to the endpoint that it is about; empty: it is about something else
	Values []string // the fields, those that may be shown with what they were and became
}

func (s *pages) audit(w http.ResponseWriter, r *http.Request) error {
	shown := auditPage{Filter: frame.FilterOf(r, "/audit",
		frame.Field{Name: "actor", Label: "Token", Hint: "admin"},
		frame.Field{Name: "action", Label: "Action", Hint: "endpoint.update", Wide: true},
		frame.Field{Name: "endpoint", Label: "Endpoint", Hint: "ep_…"},
		frame.Field{Name: "since", Label: "Since", Hint: "24h"},
		frame.Field{Name: "until", Label: "Until", Hint: "1h, or a time"},
	)}
	v := frame.View{Title: "Audit", Nav: "/audit", Live: r.URL.Query().Get("cursor") == "", Data: &shown}
	f := shown.Filter
	page, err := s.api.List(r.Context(), operation.PageParams{Limit: frame.PageSize, Cursor: r.URL.Query().Get("cursor")}, auditing.AuditParams{
		Since: f.Get("since"), Until: f.Get("until"), Actor: f.Get("actor"), Action: f.Get("action"), Endpoint: f.Get("endpoint"),
	})
	if wrong, ok := errors.AsType[*operation.Failure](err); ok && len(wrong.Detail.Fields) > 0 {
		shown.Wrong = f.Blame(wrong.Detail.Fields)
		v.Status, v.Live = wrong.GetStatus(), false
		return s.Render(w, r, "audit", v)
	}
	if err != nil {
		return err
	}
	ended := make(map[string]bool) // what has begun, and whose result is on this page
	for i := range page.Items {
		ended[page.Items[i].Of] = true
	}
	for i := range page.Items {
		if item := &page.Items[i]; !ended[item.ID] {
			shown.Rows = append(shown.Rows, s.auditRow(item))
		}
	}
	shown.Pager = frame.PagerOf(r, f, page.NextCursor, len(page.Items))
	return s.Render(w, r, "audit", v)
}

func (s *pages) auditRow(item *auditing.AuditItem) auditRow {
	row := auditRow{AuditItem: *item}
	if s.names.Of(item.Target) != item.Target {
		row.Link = s.names.Of(item.Target)
	}
	for _, name := range slices.Sorted(maps.Keys(item.Changes)) {
		change := item.Changes[name]
		if change.Before == nil {
			row.Values = append(row.Values, fmt.Sprintf("%s: %s", name, jsonText(change.After)))
		} else {
			row.Values = append(row.Values, fmt.Sprintf("%s: %s → %s", name, jsonText(change.Before), jsonText(change.After)))
		}
	}
	for _, name := range item.Fields {
		if _, there := item.Changes[name]; !there {
			row.Values = append(row.Values, name)
		}
	}
	return row
}

// jsonText is a value as JSON writes it.
func jsonText(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	return string(data)
}
