// Package endpoints is the pages of endpoints: the list, each one, and the forms that add, change, test and recover them.
package endpoints

import (
	"cmp"
	"embed"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"jethook/consume/admin"
	"jethook/consume/admin/access"
	"jethook/consume/daily"
	"jethook/consume/dashboard/frame"
	"jethook/consume/dashboard/names"
	"jethook/consume/dashboard/recent"
	"jethook/consume/dashboard/trouble"
	"jethook/consume/status"
)

//go:embed *.html
var templates embed.FS

// Options are what the pages work with.
type Options struct {
	API     *admin.Server
	Names   *names.Names
	Recent  *recent.Events
	Trouble *trouble.Finder
	Days    *daily.Counter
	// Schedule and Timeout are those of an endpoint that has none of its own.
	Schedule []time.Duration
	Timeout  time.Duration
}

type pages struct {
	*frame.Frame
	api      *admin.Server
	names    *names.Names
	recent   *recent.Events
	trouble  *trouble.Finder
	days     *daily.Counter
	defaults formDefaults
}

// Add adds the pages to a frame; in a process that keeps no endpoints they say so.
func Add(f *frame.Frame, o *Options) {
	s := &pages{f, o.API, o.Names, o.Recent, o.Trouble, o.Days, defaultsOf(o.Schedule, o.Timeout)}
	f.Templates(templates)
	page, change, operate, writers, operators := f.Page, f.Change, f.Operate, f.PageFor(access.Write), f.PageFor(access.Operate)
	if !o.Names.Kept() {
		page = func(pattern string, _ frame.Handler) {
			f.Page(pattern, func(http.ResponseWriter, *http.Request) error { return frame.ErrNoneKept })
		}
		change, operate, writers, operators = page, page, page, page
	}
	page("GET /endpoints", s.endpoints)
	writers("GET /endpoints/new", s.newEndpoint)
	change("POST /endpoints/new", s.createEndpoint)
	change("POST /endpoints/draft", s.showDraft)
	page("GET /endpoints/{id}", s.endpoint)
	writers("GET /endpoints/{id}/edit", s.editEndpoint)
	change("POST /endpoints/{id}/edit", s.changeEndpoint)
	operate("POST /endpoints/{id}/disable", s.disableEndpoint)
	operate("POST /endpoints/{id}/enable", s.enableEndpoint)
	change("POST /endpoints/{id}/remove", s.removeEndpoint)
	change("POST /endpoints/{id}/secret", s.revealSecrets)
	change("POST /endpoints/{id}/rotate", s.rotateEndpoint)
	operators("GET /endpoints/{id}/test", s.endpointTest)
	operate("POST /endpoints/{id}/test", s.testEndpoint)
	page("GET /endpoints/{id}/recover", s.endpointRecovery)
	operate("POST /endpoints/{id}/recover", s.recoverEndpoint)
	operate("POST /endpoints/{id}/recover/cancel", s.cancelRecovery)
}

// endpointsPage is the list of endpoints.
type endpointsPage struct {
	Filter *frame.Filter
	Heads  []sortHead
	Rows   []endpointRow
	All    int // that the filter chooses
	Prev   string
	Next   string
	Lacks  []string
	// Counting is true while the last day is not counted as a whole, and Sampled when an endpoint's was counted by a sample.
	Counting, Sampled bool
}

// endpointRow is an endpoint with how it fares.
type endpointRow struct {
	status.Endpoint
	URL    string
	Events []string
	Stuck  uint64 // all that waits
	Day    endpointDay
}

// sortHead is a column by which the list can be sorted.
type sortHead struct {
	Name, Class string
	Link        string // query of the list sorted by it
	Sorted      string // for aria-sort; empty: it is not
}

// sorts order the list of endpoints; the first is the default. Most are of interest where they are large.
var sorts = []struct {
	key, name, class string
	less             func(a, b *endpointRow) int
}{
	{"state", "State", "", nil}, // as the status has them: the most troubled first
	{"name", "Endpoint", "", func(a, b *endpointRow) int { return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) }},
	{"", "Events", "", nil},
	{"success", "Success", "n", func(a, b *endpointRow) int { return cmp.Compare(share(a), share(b)) }},
	{"requests", "Requests", "n", func(a, b *endpointRow) int { return cmp.Compare(b.Day.Requests(), a.Day.Requests()) }},
	{"p99", "p99", "n", func(a, b *endpointRow) int { return cmp.Compare(slowest(b), slowest(a)) }},
	{"waiting", "Waiting", "n", func(a, b *endpointRow) int { return cmp.Compare(b.Stuck, a.Stuck) }},
	{"dead", "Dead", "n", func(a, b *endpointRow) int { return cmp.Compare(b.Dead, a.Dead) }},
	{"", "Last failure", "", nil},
}

// share is the success of the last day; whoever had no requests comes last.
func share(r *endpointRow) float64 {
	if r.Day.Share == nil {
		return 2
	}
	return *r.Day.Share
}

func slowest(r *endpointRow) float64 {
	if r.P99 == nil {
		return -1
	}
	return *r.P99
}

// endpointsShown is how many endpoints a page of the list has.
const endpointsShown = 100

func (s *pages) endpoints(w http.ResponseWriter, r *http.Request) error {
	st, err := s.api.Status(r.Context())
	if err != nil {
		return err
	}
	shown := endpointsPage{Filter: frame.FilterOf(r, "/endpoints",
		frame.Field{Name: "q", Label: "Search", Hint: "name, address, event", Wide: true},
		frame.Field{Name: "state", Label: "State", Kind: "select", Options: frame.Choices("healthy", "failing", "open", "disabled")},
	), Lacks: st.Incomplete, Counting: !s.days.Look(r.Context())}
	rows := s.endpointRows(st, shown.Filter)
	shown.sort(r.URL.Query().Get("sort"), rows)
	from, _ := strconv.Atoi(r.URL.Query().Get("from"))
	from = min(max(0, from), len(rows))
	shown.All, shown.Rows = len(rows), rows[from:min(len(rows), from+endpointsShown)]
	shown.Sampled = slices.ContainsFunc(shown.Rows, func(row endpointRow) bool { return row.Day.Sampled })
	order := r.URL.Query().Get("sort")
	if from > 0 {
		shown.Prev = shown.Filter.Query("sort", order, "from", strconv.Itoa(max(0, from-endpointsShown)))
	}
	if end := from + endpointsShown; end < len(rows) {
		shown.Next = shown.Filter.Query("sort", order, "from", strconv.Itoa(end))
	}
	return s.Render(w, r, "endpoints", frame.View{Title: "Endpoints", Nav: "/endpoints", Live: true, Data: &shown})
}

// endpointRows are the endpoints that a filter chooses, the most troubled first.
func (s *pages) endpointRows(st *status.Status, f *frame.Filter) (rows []endpointRow) {
	q := strings.ToLower(strings.TrimSpace(f.Get("q")))
	for i := range st.Endpoints {
		e := &st.Endpoints[i]
		row := endpointRow{Endpoint: *e, Stuck: e.Waiting + e.Behind, Day: s.endpointDay(e.ID)}
		if ep, ok := s.names.Lookup(e.ID); ok {
			row.URL, row.Events = shownURL(ep), ep.Events
		}
		found := q == "" || slices.ContainsFunc(append([]string{e.Name, e.ID, row.URL}, row.Events...), func(text string) bool {
			return strings.Contains(strings.ToLower(text), q)
		})
		if found && (f.Get("state") == "" || f.Get("state") == string(e.State)) {
			rows = append(rows, row)
		}
	}
	return rows
}

// sort orders the rows, and makes the heads by which others are chosen.
func (p *endpointsPage) sort(by string, rows []endpointRow) {
	by = cmp.Or(by, sorts[0].key)
	for _, o := range sorts {
		head := sortHead{Name: o.name, Class: o.class}
		if o.key != "" {
			if head.Link = p.Filter.Query("sort", o.key); o.key == by {
				head.Sorted = "descending"
				if o.less != nil {
					slices.SortStableFunc(rows, func(a, b endpointRow) int { return o.less(&a, &b) })
				}
				if o.key == "name" || o.key == "success" {
					head.Sorted = "ascending"
				}
			}
		}
		p.Heads = append(p.Heads, head)
	}
}
