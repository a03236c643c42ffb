package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"
	"github.com/labstack/echo/v4"

	"jethook/consume/archive"
	"jethook/consume/deliveries"
	"jethook/consume/endpoint"
	"jethook/consume/recovery"
	"jethook/consume/rejected"
	"jethook/publish/failure"
	"jethook/publish/seal"
)

// Faults of a request that no other package names.
var (
	errUnauthorized = errors.New("no valid token")
	errReadOnly     = errors.New("the token only reads")
	errRole         = errors.New("the token's role does not allow this")
	errBodyTooLarge = errors.New("body too large")
	errDisabled     = errors.New("endpoint disabled")
	errPrecondition = errors.New("changed since it was read")
	errRemoved      = errors.New("the endpoint of this request was removed")
	errNotDead      = errors.New("delivery not dead")
	errNoSource     = errors.New("no such source")
	errNotReceiving = errors.New("process receives no webhooks")
	errNoHandshake  = errors.New("sender does not hand over a secret")
	errNoSample     = errors.New("sender's requests can't be signed here")
)

// Failure is the one form of an error answer, the same that senders of webhooks get.
type Failure struct {
	Detail FailureDetail `json:"error"`

	status int
}

// FailureDetail says what went wrong.
type FailureDetail struct {
	Code    string         `json:"code" doc:"stable code of the error" example:"invalid"`
	Message string         `json:"message" doc:"human-readable text; may change"`
	Fields  []FailureField `json:"fields,omitempty" doc:"the invalid fields of the request"`
}

// FailureField is one thing wrong with one field or parameter of a request.
type FailureField struct {
	Field   string `json:"field" example:"url"`
	Message string `json:"message"`
}

// Error returns the message with its fields.
func (f *Failure) Error() string {
	text := f.Detail.Message
	for _, field := range f.Detail.Fields {
		text += "; " + field.Field + ": " + field.Message
	}
	return text
}

// GetStatus is the HTTP status, as huma asks for it.
func (f *Failure) GetStatus() int { return f.status }

// maxRetryAfter is the longest pause in seconds that is asked for, drawn at random so that clients turned
// away together do not come back together.
const maxRetryAfter = 5

// GetHeaders are the headers of the answer, as huma asks for them.
func (f *Failure) GetHeaders() http.Header {
	h := http.Header{}
	switch f.status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="jethook"`)
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", strconv.Itoa(1+rand.IntN(maxRetryAfter)))
	}
	return h
}

func newFailure(status int, code, message string, fields ...FailureField) *Failure {
	return &Failure{status: status, Detail: FailureDetail{Code: code, Message: message, Fields: fields}}
}

// invalid is a request whose fields are wrong.
func invalid(fields ...FailureField) *Failure {
	return newFailure(http.StatusUnprocessableEntity, "invalid", "the request is not valid", fields...)
}

// failures say what each error looks like from outside; the first match counts.
var failures = []struct {
	err           error
	status        int
	code, message string
}{
	{errUnauthorized, http.StatusUnauthorized, "unauthorized", "send the admin token: Authorization: Bearer ..."},
	{errReadOnly, http.StatusForbidden, "read_only", "this token sees everything but secrets and changes nothing; send the admin token"},
	{errRole, http.StatusForbidden, "forbidden", "this token's role does not allow this; it takes a token with the role admin"},
	{echo.ErrNotFound, http.StatusNotFound, "not_found", "not found"},
	{echo.ErrMethodNotAllowed, http.StatusMethodNotAllowed, "method_not_allowed", "this path does not support that method"},
	{endpoint.ErrNotFound, http.StatusNotFound, "not_found", "no such endpoint"},
	{archive.ErrNoEvent, http.StatusNotFound, "not_found", "no such event is stored"},
	{deliveries.ErrNoDelivery, http.StatusNotFound, "not_found", "no such delivery is waiting or dead"},
	{errManyTrials, http.StatusServiceUnavailable, "overloaded", "too many tests at once; try again"},
	{deliveries.ErrNotFound, http.StatusNotFound, "not_found", "no such delivery"},
	{failure.ErrBodyGone, http.StatusConflict, "no_request", "the body is no longer stored, so no request can be made"},
	{recovery.ErrNotFound, http.StatusNotFound, "not_found", "no such recovery"},
	{recovery.ErrTooMuch, http.StatusUnprocessableEntity, "too_much", "too many deliveries in this period; choose a shorter one"},
	{errNoSource, http.StatusNotFound, "not_found", "no such source; add it to JETHOOK_SOURCES of this process"},
	{rejected.ErrNotFound, http.StatusNotFound, "not_found", "no such rejected request"},
	{errNotReceiving, http.StatusConflict, "not_receiving", "this process receives no webhooks; call one that runs jethook serve or jethook ingest"},
	{errNoHandshake, http.StatusConflict, "no_handshake", "the sender does not hand over a secret; set JETHOOK_SOURCE_<NAME>_SECRET"},
	{errNoSample, http.StatusConflict, "no_sample", "requests of this sender can't be made here: it signs with a key of its own"},
	{seal.ErrWrongKey, http.StatusConflict, "wrong_key", "JETHOOK_ENCRYPTION_KEY of this process does not match the store; set the right key and restart"},
	{seal.ErrUnreadable, http.StatusConflict, "unreadable", "the stored record can't be read (see GET /api/v1/status); set the key that sealed it, restore it, or remove and recreate it"},
	{errNoPublicKey, http.StatusConflict, "no_public_key", "the endpoint has no Ed25519 secret; rotate it with secret_type ed25519"},
	{errNotDead, http.StatusNotFound, "not_found", "no such delivery is dead"},
	{deliveries.ErrUnderWay, http.StatusConflict, "under_way", "the delivery is being attempted now"},
	{deliveries.ErrInOrder, http.StatusConflict, "in_order", "the endpoint is ordered, and earlier events are waiting"},
	{errDisabled, http.StatusConflict, "endpoint_disabled", "the endpoint is disabled; enable it to resume its waiting deliveries"},
	{errPrecondition, http.StatusPreconditionFailed, "precondition_failed", "the endpoint has changed since it was read; read it again"},
	{errRemoved, http.StatusConflict, "removed", "the endpoint created with this Idempotency-Key was removed; choose another key"},
	{failure.ErrConflict, http.StatusConflict, "conflict", "the record was changed concurrently; try again"},
	{errBodyTooLarge, http.StatusRequestEntityTooLarge, "too_large", "the body is too large"},
	{failure.ErrTooLarge, http.StatusRequestEntityTooLarge, "too_large", "the event is too large to store"},
	{failure.ErrBusy, http.StatusServiceUnavailable, "overloaded", "too many requests at once; try again"},
	{failure.ErrFull, http.StatusServiceUnavailable, "store_full", "the store is full; try again later"},
	{failure.ErrUnavailable, http.StatusServiceUnavailable, "unavailable", "the store does not respond; try again"},
	{endpoint.ErrUnavailable, http.StatusServiceUnavailable, "unavailable", "the store does not respond; try again"},
	{context.DeadlineExceeded, http.StatusServiceUnavailable, "unavailable", "the store did not respond in time; try again"},
}

// failure maps every error to its answer. The cause of a fault on this side is only logged: once in a while
// where an outage repeats it, and not at all when the client went away and nobody hears the answer.
func (s *Server) failure(err error) *Failure {
	f := failureOf(err)
	if f.status >= http.StatusInternalServerError && !errors.Is(err, context.Canceled) {
		s.faults.Do(func() {
			s.log.Error("request failed", "status", f.status, "code", f.Detail.Code, "error", err)
		})
	}
	return f
}

func failureOf(err error) *Failure {
	if f, ok := errors.AsType[*Failure](err); ok {
		return f
	}
	if problems, ok := errors.AsType[endpoint.Problems](err); ok {
		return invalid(fieldsOf(problems)...)
	}
	if search, ok := errors.AsType[*archive.SearchError](err); ok {
		return newFailure(http.StatusUnprocessableEntity, "search_too_long", search.Error())
	}
	if f := recoveryFailure(err); f != nil {
		return f
	}
	for _, f := range failures {
		if errors.Is(err, f.err) {
			return newFailure(f.status, f.code, f.message)
		}
	}
	return newFailure(http.StatusInternalServerError, "internal", "internal error; see the log")
}

func fieldsOf(problems endpoint.Problems) []FailureField {
	fields := make([]FailureField, len(problems))
	for i, p := range problems {
		fields[i] = FailureField(p)
	}
	return fields
}

// fail answers a request that ended before or beside an operation: no such path, no token, a panic.
func (s *Server) fail(err error, c echo.Context) {
	f := s.failure(err)
	if errors.Is(err, errUnauthorized) {
		s.strangers.Do(func() {
			s.log.Warn("request without the admin token refused", "path", c.Request().URL.Path, "remote", c.Request().RemoteAddr)
		})
	}
	if c.Response().Committed {
		return
	}
	for name, values := range f.GetHeaders() {
		c.Response().Header()[name] = values
	}
	if err := c.JSON(f.status, f); err != nil {
		s.log.Debug("sending a response failed", "error", err)
	}
}

// adaptHuma makes huma answer with a Failure too, and not call every array nullable. huma has nothing but
// package variables for this, which are therefore set once and before the first API exists: no server ever
// sees them change.
var adaptHuma = sync.OnceFunc(func() {
	huma.DefaultArrayNullable = false
	huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
		return failureOfHuma(status, message, errs)
	}
})

// failureOfHuma shapes what huma found wrong with a request. The values it found are left out: they may be
// secrets.
func failureOfHuma(status int, message string, errs []error) *Failure {
	var fields []FailureField
	for _, err := range errs {
		if d, ok := errors.AsType[*huma.ErrorDetail](err); ok {
			fields = append(fields, fieldOfHuma(d))
		}
	}
	switch status {
	case http.StatusUnprocessableEntity:
		return invalid(fields...)
	case http.StatusBadRequest:
		if len(fields) > 0 {
			message = "the body is not JSON: " + fields[0].Message
		}
		return newFailure(status, "bad_body", message)
	case http.StatusUnsupportedMediaType:
		return newFailure(status, "unsupported_media_type", "send the body as application/json")
	case http.StatusRequestEntityTooLarge:
		return failureOf(errBodyTooLarge)
	case http.StatusRequestTimeout:
		return newFailure(status, "timeout", "the body took too long to arrive")
	default: // huma calls a body that it can't read to its end a fault of the server
		return newFailure(http.StatusBadRequest, "bad_body", "the body is broken or was cut off")
	}
}

// unreadField is how encoding/json names a field whose value it can't take.
var unreadField = regexp.MustCompile(`^json: cannot unmarshal .* into Go struct field [^.]*\.(\S+) of type `)

// fieldOfHuma names the field as the request does: huma puts where it stands in front, "body.url", and says
// only in the text which one is missing.
func fieldOfHuma(d *huma.ErrorDetail) FailureField {
	_, name, _ := strings.Cut(d.Location, ".")
	var missing string
	if n, err := fmt.Sscanf(d.Message, validation.MsgExpectedRequiredProperty, &missing); n == 1 && err == nil {
		return FailureField{Field: strings.TrimPrefix(name+"."+missing, "."), Message: "is required"}
	}
	if d.Message == validation.MsgUnexpectedProperty {
		return FailureField{Field: cmp.Or(name, `""`), Message: "unknown field"}
	}
	// A field that is there twice, in upper and lower case, is checked once and read twice.
	if m := unreadField.FindStringSubmatch(d.Message); m != nil {
		return FailureField{Field: m[1], Message: "has the wrong type"}
	}
	return FailureField{Field: name, Message: d.Message}
}
