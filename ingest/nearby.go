package ingest

import (
	"net/url"
	"path"
	"strings"

	"github.com/labstack/echo/v4"
)

// nearby names the source that a path for nothing means, or else says that there is no such source, or nothing at all. It must be the source's own but for
// case, slashes, percent-encoding and spaces: that tells nobody of a source that they did not name themselves, and whether
// it exists shows anyway, since the right path is answered with another status.
func (s *Server) nearby(asked string) error {
	requested := asked
	for range 2 { // what was encoded twice, too
		decoded, err := url.PathUnescape(requested)
		if err != nil {
			break
		}
		requested = decoded
	}
	name, isWebhook := strings.CutPrefix(path.Clean("/"+strings.ToLower(strings.Join(strings.Fields(requested), ""))), "/webhooks/")
	if src, ok := s.sources[name]; ok && isWebhook {
		return &nearbyError{src}
	}
	if strings.HasPrefix(asked, "/webhooks/") && asked != "/webhooks/" {
		return errNoSource
	}
	return echo.ErrNotFound
}
