package dashboard

import (
	"net/http"
	"time"

	"jethook/consume/status"
)

func (s *Server) overviewRoutes() {
	s.page("GET /{$}", s.overview)
}

// overviewPage is what an operator sees first.
type overviewPage struct {
	Status *status.Status
	Notes  []note
	Hour   hourFigures
	Rows   []status.Endpoint // endpoints that something is to be said of, the most troubled first
	Hidden int               // others
}

// hourFigures are those of all endpoints together.
type hourFigures struct {
	Since             time.Time
	Delivered, Failed uint64
	Waiting, Dead     uint64
}

// troubledShown bounds the endpoints that the overview lists.
const troubledShown = 12

func (s *Server) overview(w http.ResponseWriter, r *http.Request) error {
	st, err := s.api.Status(r.Context())
	if err != nil {
		return err
	}
	shown := overviewPage{Status: st, Notes: s.notesOf(st), Hour: figuresOf(st)}
	for i := range st.Endpoints {
		if e := &st.Endpoints[i]; !e.Idle() && len(shown.Rows) < troubledShown {
			shown.Rows = append(shown.Rows, *e)
		}
	}
	shown.Hidden = len(st.Endpoints) - len(shown.Rows)
	return s.render(w, r, "overview", view{Title: "Overview", Nav: "/", Live: true, Data: &shown})
}

func figuresOf(st *status.Status) hourFigures {
	h := hourFigures{Since: st.HourSince}
	for i := range st.Endpoints {
		e := &st.Endpoints[i]
		h.Delivered += e.Delivered
		h.Failed += e.Failed
		h.Waiting += e.Waiting + e.Behind
		h.Dead += e.Dead
	}
	return h
}
