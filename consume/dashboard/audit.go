package dashboard

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"jethook/consume/admin"
)

func (s *Server) auditRoutes() { s.page("GET /audit", s.audit) }

// auditPage is the list of what operators did.
type auditPage struct {
	Filter *filter
	Rows   []auditRow
	Pager  pager
	Wrong  []admin.FailureField
}

// auditRow is an entry of the audit trail.
type auditRow struct {
	admin.AuditItem
	Link   string   // to the endpoint that it is about; empty: it is about something else
	Values []string // the fields, those that may be shown with what they were and became
}

func (s *Server) audit(w http.ResponseWriter, r *http.Request) error {
	shown := auditPage{Filter: filterOf(r, "/audit",
		field{Name: "actor", Label: "Token", Hint: "admin"},
		field{Name: "action", Label: "Action", Hint: "endpoint.update", Wide: true},
		field{Name: "endpoint", Label: "Endpoint", Hint: "ep_…"},
		field{Name: "since", Label: "Since", Hint: "24h"},
		field{Name: "until", Label: "Until", Hint: "1h, or a time"},
	)}
	v := view{Title: "Audit", Nav: "/audit", Live: r.URL.Query().Get("cursor") == "", Data: &shown}
	f := shown.Filter
	page, err := s.api.Audit(r.Context(), admin.PageParams{Limit: pageSize, Cursor: r.URL.Query().Get("cursor")}, admin.AuditParams{
		Since: f.get("since"), Until: f.get("until"), Actor: f.get("actor"), Action: f.get("action"), Endpoint: f.get("endpoint"),
	})
	if wrong, ok := errors.AsType[*admin.Failure](err); ok && len(wrong.Detail.Fields) > 0 {
		shown.Wrong = f.blame(wrong.Detail.Fields)
		v.Status, v.Live = wrong.GetStatus(), false
		return s.render(w, r, "audit", v)
	}
	if err != nil {
		return err
	}
	for i := range page.Items {
		shown.Rows = append(shown.Rows, s.auditRow(&page.Items[i]))
	}
	shown.Pager = pagerOf(r, f, page.NextCursor, len(page.Items))
	return s.render(w, r, "audit", v)
}

func (s *Server) auditRow(item *admin.AuditItem) auditRow {
	row := auditRow{AuditItem: *item}
	if s.registry != nil && s.endpointName(item.Target) != item.Target {
		row.Link = s.endpointName(item.Target)
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
