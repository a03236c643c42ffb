package sources

import (
	"net/http"

	"jethook/consume/admin/sources"
	"jethook/consume/dashboard/frame"
)

// sourceSamplePage is a request that a source takes, to be sent by hand.
type sourceSamplePage struct {
	Name string
	sources.SourceSample
}

func (s *pages) sourceSample(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	sample, err := s.api.Sources.Sample(r.Context(), name)
	if err != nil {
		return err
	}
	return s.Render(w, r, "sourcesample", frame.View{Title: "A sample for " + name, Nav: "/sources", Data: &sourceSamplePage{name, *sample}})
}
