package dashboard

import (
	"net/http"

	"jethook/consume/admin"
)

func (s *Server) sourceRoutes() {
	s.page("GET /sources", s.sources)
	s.page("GET /sources/{name}", s.source)
	s.operate("POST /sources/{name}/retry", s.retryRejected)
	s.change("POST /sources/{name}/pair", s.pairSource)
	s.pageFor(admin.AccessWrite)("GET /sources/{name}/sample", s.sourceSample)
	s.page("GET /sources/{name}/rejected/{id}", s.rejectedRequest)
	s.operate("POST /sources/{name}/rejected/{id}/retry", s.retryOneRejected)
	s.change("POST /sources/{name}/rejected/{id}/remove", s.removeRejected)
}

// sourcesPage is the list of sources.
type sourcesPage struct{ Rows []sourceRow }

// sourceRow is a source with the address that its sender is given.
type sourceRow struct {
	admin.Source
	Address string
	Total   uint64 // requests that were refused
	Reasons string // and why
}

func (s *Server) sources(w http.ResponseWriter, r *http.Request) error {
	all, err := s.api.Sources(r.Context())
	if err != nil {
		return err
	}
	shown := sourcesPage{}
	for i := range all {
		shown.Rows = append(shown.Rows, s.sourceRow(&all[i]))
	}
	return s.render(w, r, "sources", view{Title: "Sources", Nav: "/sources", Live: true, Data: &shown})
}

func (s *Server) sourceRow(src *admin.Source) sourceRow {
	row := sourceRow{Source: *src, Address: s.api.SourceAddress(src.Name)}
	for _, n := range src.Refused {
		row.Total += n
	}
	for i, reason := range reasonsOf(src.Refused) {
		if i > 0 {
			row.Reasons += "; "
		}
		row.Reasons += formatCount(reason.Count) + ": " + reason.Words
	}
	return row
}
