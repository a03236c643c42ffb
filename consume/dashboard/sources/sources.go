// Package sources is the pages of sources and of the requests that they refused.
package sources

import (
	"embed"
	"net/http"

	"jethook/consume/admin"
	"jethook/consume/admin/access"
	"jethook/consume/admin/sources"
	"jethook/consume/dashboard/format"
	"jethook/consume/dashboard/frame"
	"jethook/consume/rejected"
)

//go:embed *.html
var templates embed.FS

// Options are what the pages work with.
type Options struct {
	API       *admin.Server
	Rejected  *rejected.Store
	Explain   Explainer // why a rejected request does not verify; nil in a process that receives none
	PublicURL string    // where senders reach Jethook; empty: it is not known
}

type pages struct {
	*frame.Frame
	api       *admin.Server
	rejected  *rejected.Store
	explain   Explainer
	publicURL string
}

// Add adds the pages to a frame.
func Add(f *frame.Frame, o Options) {
	s := &pages{f, o.API, o.Rejected, o.Explain, o.PublicURL}
	f.Templates(templates)
	f.Page("GET /sources", s.sources)
	f.Page("GET /sources/{name}", s.source)
	f.Operate("POST /sources/{name}/retry", s.retryRejected)
	f.Change("POST /sources/{name}/pair", s.pairSource)
	f.PageFor(access.Write)("GET /sources/{name}/sample", s.sourceSample)
	f.Page("GET /sources/{name}/rejected/{id}", s.rejectedRequest)
	f.Operate("POST /sources/{name}/rejected/{id}/retry", s.retryOneRejected)
	f.Change("POST /sources/{name}/rejected/{id}/remove", s.removeRejected)
}

// sourcesPage is the list of sources.
type sourcesPage struct{ Rows []sourceRow }

// sourceRow is a source with the address that its sender is given.
type sourceRow struct {
	sources.Source
	Address string
	Total   uint64 // requests that were refused
	Reasons string // and why
}

func (s *pages) sources(w http.ResponseWriter, r *http.Request) error {
	all, err := s.api.Sources.List(r.Context())
	if err != nil {
		return err
	}
	shown := sourcesPage{}
	for i := range all {
		shown.Rows = append(shown.Rows, s.sourceRow(&all[i]))
	}
	return s.Render(w, r, "sources", frame.View{Title: "Sources", Nav: "/sources", Live: true, Data: &shown})
}

func (s *pages) sourceRow(src *sources.Source) sourceRow {
	row := sourceRow{Source: *src, Address: s.api.Sources.Address(src.Name)}
	for _, n := range src.Refused {
		row.Total += n
	}
	for i, reason := range reasonsOf(src.Refused) {
		if i > 0 {
			row.Reasons += "; "
		}
		row.Reasons += format.Count(reason.Count) + ": " + reason.Words
	}
	return row
}
