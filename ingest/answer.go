package ingest

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"jethook/ingest/provider"
	"jethook/publish"
)

// Faults of a request, and of this side. What they look like to a sender stands in answers alone.
var (
	errNoSource   = errors.New("no such source")
	errNotAllowed = errors.New("the address may not send to this source")
	errTooLarge   = errors.New("body too large")
	errBadBody    = errors.New("body cannot be read")
	errEncoding   = errors.New("unsupported content encoding")
	errOverloaded = errors.New("too many bodies in memory")
	errNotStored  = errors.New("event not stored")
)

// notVerifiedError is a request that its source's sender did not make, as far as can be told.
type notVerifiedError struct {
	source *source
	cause  error // wraps a reason of package provider
}

func (e *notVerifiedError) Error() string { return "not verified: " + e.cause.Error() }
func (e *notVerifiedError) Unwrap() error { return e.cause }

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
	{echo.ErrNotFound, answer{http.StatusNotFound, "not_found", "there is nothing here"}},
	{echo.ErrMethodNotAllowed, answer{http.StatusMethodNotAllowed, "method_not_allowed", "webhooks are sent with POST"}},
	{errNoSource, answer{http.StatusNotFound, "no_such_source", "there is no source of this name"}},
	{errNotAllowed, answer{http.StatusForbidden, "address_not_allowed", "this address may not send here"}},
	{errTooLarge, answer{http.StatusRequestEntityTooLarge, "too_large", "the body is too large"}},
	{publish.ErrTooLarge, answer{http.StatusRequestEntityTooLarge, "too_large", "the request is too large to store"}},
	{errBadBody, answer{http.StatusBadRequest, "bad_body", "the body is broken or was cut off"}},
	{errEncoding, answer{http.StatusUnsupportedMediaType, "unsupported_encoding", "send the body plain or with Content-Encoding gzip"}},
	{errOverloaded, answer{http.StatusServiceUnavailable, "overloaded", "too many requests at once; try again"}},
	{publish.ErrBusy, answer{http.StatusServiceUnavailable, "overloaded", "too many requests at once; try again"}},
	{publish.ErrFull, answer{http.StatusServiceUnavailable, "store_full", "the store is full; try again later"}},
	{errNotStored, answer{http.StatusServiceUnavailable, "unavailable", "the event could not be stored; try again"}},
}

// answerTo maps every error to its answer. Why a request did not verify is never told: it would help whoever
// is guessing.
func answerTo(err error) answer {
	if e, ok := errors.AsType[*notVerifiedError](err); ok {
		return answer{e.source.sender.Refusal.Status, "not_verified", "the request could not be verified"}
	}
	if _, ok := errors.AsType[*tooFastError](err); ok {
		return answer{http.StatusTooManyRequests, "rate_limited", "too many requests; send again after the pause"}
	}
	for _, a := range answers {
		if errors.Is(err, a.err) {
			return a.answer
		}
	}
	return answer{http.StatusInternalServerError, "internal", "something went wrong here; try again"}
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

// fail answers a request that ended with err.
func (s *Server) fail(err error, c echo.Context) {
	a := answerTo(err)
	if src, ok := s.sources[c.Param("source")]; ok {
		src.figures.refuse(reasonOf(a, err))
	}
	s.logFailure(c.Request(), a, err)
	if c.Response().Committed {
		return
	}
	h := c.Response().Header()
	fast, tooFast := errors.AsType[*tooFastError](err)
	switch {
	case tooFast:
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(fast.wait.Seconds()))))
	case a.status >= http.StatusInternalServerError:
		h.Set("Retry-After", strconv.Itoa(1+rand.IntN(maxRetryAfter)))
	case a.status == http.StatusUnsupportedMediaType:
		h.Set("Accept-Encoding", "gzip")
	}
	if e, ok := errors.AsType[*notVerifiedError](err); ok && e.source.sender.Refusal.Body != "" {
		err = send(c, e.source.sender.Refusal)
	} else {
		var body errorBody
		body.Error.Code, body.Error.Message = a.code, a.message
		err = c.JSON(a.status, body)
	}
	if err != nil {
		s.log.Debug("answering failed", "error", err)
	}
}

// logFailure logs what went wrong: when an outage, or what may be an attack, begins, and in full at debug level.
func (s *Server) logFailure(r *http.Request, a answer, err error) {
	log := func(level slog.Level, msg string, args ...any) {
		s.log.Log(context.Background(), level, msg,
			append(args, "path", r.URL.Path, "remote", s.echo.IPExtractor(r), "status", a.status, "code", a.code, "error", err)...)
	}
	e, forged := errors.AsType[*notVerifiedError](err)
	switch {
	case forged && e.source.refusals.begins(s.now()):
		log(slog.LevelInfo, "webhook refused", "source", e.source.name, "provider", e.source.sender.Name, "reason", provider.Reason(err))
	case !forged && a.status >= http.StatusInternalServerError && s.failures.begins(s.now()):
		log(slog.LevelError, "webhook not stored")
	case s.log.Enabled(context.Background(), slog.LevelDebug):
		log(slog.LevelDebug, "request refused")
	}
}
