package dashboard

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"jethook/consume/admin"
)

const (
	// maxShown bounds what of a body a page shows beside other things: a page must not weigh too much. All of it is one click away.
	maxShown = 16 << 10
	// maxWhole bounds what the page of a body alone shows, and maxPretty what is laid out as JSON.
	maxWhole  = 2 << 20
	maxPretty = 2 << 20
	maxHex    = 2 << 10
)

// bodyView is a body as a page shows it: {{template "body"}}.
type bodyView struct {
	ID     string // of its element
	About  string // what it is, and how large
	Empty  string // why there is nothing to show; empty: there is
	Pretty string // laid out, or as it came
	Raw    string // as it came, where Pretty is not that
	Cut    bool   // there is more than is shown
}

// viewOfBody shows the beginning of a body: JSON laid out with its numbers and escapes as they came, other text as it is, and
// anything else in hex.
func viewOfBody(id, about string, body []byte) bodyView {
	v := bodyView{ID: id, About: fmt.Sprintf("%s, %s", about, formatBytes(len(body)))}
	if len(body) == 0 {
		v.Empty = "Empty."
		return v
	}
	most := maxShown
	pretty, whole, kind := prettyBody(body, maxShown)
	if kind == bodyBinary {
		v.About += ", not UTF-8"
		most = maxHex
	}
	if v.Pretty = visibleText(pretty); kind == bodyJSON {
		raw, all := rawBody(body, maxShown)
		if raw != pretty {
			v.Raw = visibleText(raw)
		}
		whole = whole && all
	}
	if v.Cut = !whole; v.Cut {
		v.About += fmt.Sprintf(": the first %s", formatBytes(most))
	}
	return v
}

// Kinds of bodies, by how they are shown.
const (
	bodyText = iota
	bodyJSON
	bodyBinary
)

// prettyBody lays a body out, up to so many bytes; whole is false when that is not all.
func prettyBody(body []byte, most int) (text string, whole bool, kind int) {
	switch {
	case !utf8.Valid(body):
		return hex.Dump(body[:min(len(body), maxHex)]), len(body) <= maxHex, bodyBinary
	case len(body) > maxPretty || !json.Valid(body):
		text, whole = rawBody(body, most)
		return text, whole, bodyText
	default:
		text, whole = indented(body, most)
		text, _ = rawBody([]byte(text), most)
		return text, whole, bodyJSON
	}
}

// rawBody is a body as it came, up to so many bytes of whole characters.
func rawBody(body []byte, most int) (text string, whole bool) {
	if len(body) <= most {
		return string(body), true
	}
	for most > 0 && !utf8.RuneStart(body[most]) {
		most--
	}
	return string(body[:most]), false
}

// wholeBodyPage is the body of an event and nothing else.
type wholeBodyPage struct {
	Type, Place, About string
	Pretty             bool
	CanPretty          bool
	Parts              []string // of the text, which browsers lay out one by one as they come into view
}

// wholeBody shows all of an event's body, laid out or as it came, in parts: a megabyte does not freeze the tab.
func (s *Server) wholeBody(w http.ResponseWriter, r *http.Request) error {
	event, err := s.api.StoredEvent(r.Context(), &admin.EventParams{ID: r.PathValue("id")})
	if err != nil {
		return err
	}
	pretty, whole, kind := prettyBody(event.Body, maxWhole)
	shown := wholeBodyPage{
		Type: event.Type, Place: r.PathValue("id"), CanPretty: kind == bodyJSON, Pretty: kind == bodyJSON && r.URL.Query().Get("as") != "raw",
		About: fmt.Sprintf("%s, %s", cmp.Or(event.ContentType, "Body"), formatBytes(len(event.Body))),
	}
	if kind == bodyJSON && !shown.Pretty {
		pretty, whole = rawBody(event.Body, maxWhole)
	}
	if !whole {
		shown.About += ", of which this is the beginning; download it to have it all"
	}
	shown.Parts = partsOf(visibleText(pretty))
	return s.render(w, r, "wholebody", view{Title: "Body of " + event.Type, Nav: "/events", Data: &shown})
}

// partsOf cuts a text into parts of some kilobytes, at the ends of lines where that can be.
func partsOf(text string) (parts []string) {
	const size = 8 << 10
	for len(text) > size {
		end := strings.LastIndexByte(text[:size], '\n') + 1
		if end == 0 {
			for end = size; !utf8.RuneStart(text[end]); {
				end--
			}
		}
		parts = append(parts, text[:end])
		text = text[end:]
	}
	return append(parts, text)
}

// eventBytes hands an event's body over as a file, so that no browser shows what a sender wrote as a page.
func (s *Server) eventBytes(w http.ResponseWriter, r *http.Request) error {
	event, err := s.api.StoredEvent(r.Context(), &admin.EventParams{ID: r.PathValue("id")})
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", `attachment; filename="body"`)
	h.Set("Content-Length", strconv.Itoa(len(event.Body)))
	_, _ = w.Write(event.Body) // the browser went away
	return nil
}
