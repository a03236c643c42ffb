package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"jethook/ingest/body"
	"jethook/ingest/provider"
	"jethook/ingest/source"
	"jethook/publish/failure"
)

// Faults of a request, and of this side. What they look like to a sender stands in answers alone.
var (
	errNoSource   = errors.New("no such source")
	errNotAllowed = errors.New("address not allowed for this source")
	errNoAddress  = errors.New("the proxy's header for the sender's address is malformed or contradictory")
	errNotStored  = errors.New("event not stored")
)

// nearbyError is a request for nothing, whose path is that of a source but for its spelling.
type nearbyError struct{ source *reception }

func (e *nearbyError) Error() string {
	return "no such source; similar path: /webhooks/" + e.source.Name
}

func (e *nearbyError) Unwrap() error { return errNoSource }

// answer is what a sender is told. The code is stable; the message may change.
type answer struct {
	status        int
	code, message string
}

// answers say what each fault looks like from outside; the first match counts.
var answers = []struct {
	err error
	answer
}{
	{echo.ErrNotFound, answer{http.StatusNotFound, "not_found", "not found"}},
	{echo.ErrMethodNotAllowed, answer{http.StatusMethodNotAllowed, "method_not_allowed", "send webhooks with POST"}},
	{provider.ErrMethod, answer{http.StatusMethodNotAllowed, "method_not_allowed", "send webhooks with POST"}},
	{errNoSource, answer{http.StatusNotFound, "no_such_source", "no such source"}},
	{errNotAllowed, answer{http.StatusForbidden, "address_not_allowed", "this address is not allowed to send webhooks here"}},
	{body.ErrTooLarge, answer{http.StatusRequestEntityTooLarge, "too_large", "the body is too large"}},
	{failure.ErrTooLarge, answer{http.StatusRequestEntityTooLarge, "too_large", "the request is too large to store"}},
	{body.ErrBad, answer{http.StatusBadRequest, "bad_body", "the body is malformed or incomplete"}},
	{source.ErrCompressed, answer{http.StatusUnsupportedMediaType, "unsupported_encoding", "send the body uncompressed, without Content-Encoding"}},
	{source.ErrEncoding, answer{http.StatusUnsupportedMediaType, "unsupported_encoding", "send the body uncompressed or with Content-Encoding: gzip"}},
	// Not 408: some senders give up for good at any 4xx, and it may be our side of the line that is slow.
	{body.ErrTooSlow, answer{http.StatusServiceUnavailable, "too_slow", "the body arrived too slowly; try again"}},
	{body.ErrOverloaded, answer{http.StatusServiceUnavailable, "overloaded", "too many concurrent requests; try again"}},
	{failure.ErrBusy, answer{http.StatusServiceUnavailable, "overloaded", "too many concurrent requests; try again"}},
	{failure.ErrFull, answer{http.StatusServiceUnavailable, "store_full", "the store is full; try again later"}},
	{errNotConfirmed, answer{http.StatusServiceUnavailable, "unavailable", "the subscription could not be confirmed; try again"}},
	{source.ErrNotChecked, answer{http.StatusServiceUnavailable, "unavailable", "the request could not be checked; try again"}},
	{errNotStored, answer{http.StatusServiceUnavailable, "unavailable", "the event could not be stored; try again"}},
}

// answerTo maps every error to its answer. Why a request did not verify is never told: it would help whoever
// is guessing.
func answerTo(err error) answer {
	if e, ok := errors.AsType[*source.NotVerifiedError](err); ok {
		return answer{e.Refusal.Status, "not_verified", "the request could not be verified"}
	}
	if _, ok := errors.AsType[*tooFastError](err); ok {
		return answer{http.StatusTooManyRequests, "rate_limited", "too many requests; retry after the Retry-After pause"}
	}
	if e, ok := errors.AsType[*nearbyError](err); ok {
		return answer{http.StatusNotFound, "no_such_source", "no such source; did you mean /webhooks/" + e.source.Name + "?"}
	}
	for _, a := range answers {
		if errors.Is(err, a.err) {
			return a.answer
		}
	}
	return answer{http.StatusInternalServerError, "internal", "internal error; try again"}
}

// errorBody is the one form of an error.
type errorBody struct {
	Error struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// maxRetryAfter is the longest pause in seconds that is asked for. It is drawn at random, so that senders
// turned away together do not come back together.
const maxRetryAfter = 5

// response is all that a sender is told of a request that ended with err: what its row says, or else our own words.
func response(err error) provider.Answer {
	if e, ok := errors.AsType[*source.NotVerifiedError](err); ok && (e.Refusal.Body != "" || e.Refusal.Empty) {
		return e.Refusal
	}
	a := answerTo(err)
	var body errorBody
	body.Error.Code, body.Error.Message = a.code, a.message
	text, _ := json.Marshal(body) // two strings always can be
	return provider.Answer{Status: a.status, Body: string(text), ContentType: echo.MIMEApplicationJSON, Header: advice(err, a)}
}

// advice are headers that tell a sender how to do better.
func advice(err error, a answer) map[string]string {
	fast, tooFast := errors.AsType[*tooFastError](err)
	method, wrongMethod := errors.AsType[*source.MethodError](err)
	switch {
	case wrongMethod:
		return map[string]string{"Allow": strings.Join(method.Allowed, ", ")}
	case tooFast:
		return map[string]string{"Retry-After": strconv.Itoa(int(math.Ceil(fast.wait.Seconds())))}
	case a.status >= http.StatusInternalServerError:
		return map[string]string{"Retry-After": strconv.Itoa(1 + rand.IntN(maxRetryAfter))}
	case errors.Is(err, source.ErrCompressed):
		return map[string]string{"Accept-Encoding": "identity"}
	case a.status == http.StatusUnsupportedMediaType:
		return map[string]string{"Accept-Encoding": "gzip"}
	}
	return nil
}

// fail answers a request that ended with err.
func (s *Server) fail(err error, c echo.Context) {
	if errors.Is(err, echo.ErrNotFound) || errors.Is(err, errNoSource) {
		err = s.nearby(c.Request().URL.Path)
	}
	a := answerTo(err)
	if src, ok := s.sources[c.Param("source")]; ok {
		src.figures.refuse(reasonOf(a, err))
	}
	s.logFailure(c, a, err)
	if c.Response().Committed {
		return
	}
	if err := send(c, response(err)); err != nil {
		s.log.Debug("sending a response failed", "error", err)
	}
}

// logFailure logs what went wrong: when an outage, or what may be an attack, begins, and in full at debug level.
func (s *Server) logFailure(c echo.Context, a answer, err error) {
	r := c.Request()
	log := func(level slog.Level, msg string, args ...any) {
		s.log.Log(context.Background(), level, msg,
			append(args, "path", r.URL.Path, "remote", s.echo.IPExtractor(r), "status", a.status, "code", a.code, "error", err)...)
	}
	now := s.now()
	e, forged := errors.AsType[*source.NotVerifiedError](err)
	near, isNear := errors.AsType[*nearbyError](err)
	name := c.Param("source")
	if n, tell := s.stray(name, err, now); tell {
		log(slog.LevelWarn, "webhook refused: "+strayWords(err), "source", name, "requests", n)
		return
	}
	switch {
	case isNear && near.source.astray.Begins(now):
		log(slog.LevelWarn, "webhook refused: the path is misspelled", "source", near.source.Name)
	case anyones(err) && s.sources[name].hindered.Begins(now):
		log(slog.LevelWarn, "webhook refused", "source", name)
	case forged && s.sources[e.Source.Name].refusals.Begins(now):
		log(slog.LevelInfo, "webhook refused", "source", e.Source.Name, "provider", e.Source.Sender.Name, "reason", provider.Reason(err))
	case !forged && !anyones(err) && a.status >= http.StatusInternalServerError && s.failures.Begins(now):
		log(slog.LevelError, "webhook not stored")
	case s.log.Enabled(context.Background(), slog.LevelDebug):
		log(slog.LevelDebug, "request refused")
	}
}

// stray counts a request that no source or the wrong address explains, and reports whether to log that.
func (s *Server) stray(name string, err error, now time.Time) (count uint64, tell bool) {
	src := s.sources[name]
	switch _, isNear := errors.AsType[*nearbyError](err); {
	case isNear: // it has a line of its own
		s.unknown.Note()
		return 0, false
	case errors.Is(err, errNoSource):
		return s.unknown.Add(now)
	case errors.Is(err, errNotAllowed) && !anyones(err) && src != nil:
		return src.barred.Add(now)
	}
	return 0, false
}

func strayWords(err error) string {
	if errors.Is(err, errNotAllowed) {
		return "the address is not in the source's ALLOWED_IPS"
	}
	return "no such source in JETHOOK_SOURCES"
}

// anyones reports whether a stranger can bring the fault about. So it must not hide that the store fails.
func anyones(err error) bool {
	return slices.ContainsFunc([]error{body.ErrOverloaded, body.ErrTooSlow, source.ErrNotChecked, errNoAddress}, func(e error) bool { return errors.Is(err, e) }) || source.OfBody(err)
}
