package dashboard

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"unicode/utf8"

	"jethook/consume/admin"
)

const (
	// maxPretty bounds what is laid out as JSON, and maxShown what of a body a page shows at all: a tab must not freeze, nor a page
	// weigh too much. The whole is one click away, byte for byte.
	maxPretty = 64 << 10
	maxShown  = 16 << 10
	maxHex    = 2 << 10
)

// bodyView is a body as a page shows it: {{template "body"}}.
type bodyView struct {
	ID     string // of its element
	About  string // what it is, and how large
	Empty  string // why there is nothing to show; empty: there is
	Pretty string // laid out, or as it came
	Raw    string // as it came, where Pretty is not that
}

// viewOfBody shows a body: JSON laid out with its numbers and escapes as they came, other text as it is, and anything else in hex.
func viewOfBody(id, about string, body []byte) bodyView {
	v := bodyView{ID: id, About: fmt.Sprintf("%s, %s", about, formatBytes(len(body)))}
	switch {
	case len(body) == 0:
		v.Empty = "Empty."
	case !utf8.Valid(body):
		v.Pretty = hex.Dump(body[:min(len(body), maxHex)])
		v.About += ", not UTF-8"
		if len(body) > maxHex {
			v.About += fmt.Sprintf(": the first %s", formatBytes(maxHex))
		}
	case len(body) > maxPretty || !json.Valid(body):
		v.Pretty = v.beginning(string(body))
	default:
		var b bytes.Buffer
		if json.Indent(&b, body, "", "  ") != nil || b.Len() > maxShown {
			v.Pretty = v.beginning(string(body))
			break
		}
		v.Pretty = visibleText(b.String())
		if raw := visibleText(string(body)); raw != v.Pretty {
			v.Raw = raw
		}
	}
	return v
}

// beginning cuts text to what a page shows, and says so.
func (v *bodyView) beginning(text string) string {
	if len(text) > maxShown {
		text = text[:maxShown]
		for !utf8.ValidString(text) {
			text = text[:len(text)-1]
		}
		v.About += fmt.Sprintf(": the first %s", formatBytes(maxShown))
	}
	return visibleText(text)
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
