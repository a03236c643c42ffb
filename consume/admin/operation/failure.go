package operation

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"jethook/consume/archive"
	"jethook/consume/deliveries"
	"jethook/consume/endpoint"
	"jethook/consume/paging"
	"jethook/consume/recovery"
	"jethook/consume/registry"
	"jethook/consume/rejected"
	"jethook/publish/failure"
	"jethook/publish/seal"
)

// Faults of a request that no other package names.
var (
	ErrUnauthorized = errors.New("no valid token")
	ErrReadOnly     = errors.New("the token only reads")
	ErrBodyTooLarge = errors.New("body too large")
	ErrDisabled     = errors.New("endpoint disabled")

	errRole = errors.New("the token's role does not allow this")
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

// NewFailure returns a failure with a status of HTTP and a stable code.
func NewFailure(status int, code, message string, fields ...FailureField) *Failure {
	return &Failure{status: status, Detail: FailureDetail{Code: code, Message: message, Fields: fields}}
}

// Invalid is a request whose fields are wrong.
func Invalid(fields ...FailureField) *Failure {
	return NewFailure(http.StatusUnprocessableEntity, "invalid", "the request is not valid", fields...)
}

// failures say what each error of the packages below looks like from outside; the first match counts. A fault that only one
// kind of operation knows is a [Failure] of its package.
var failures = []struct {
	err           error
	status        int
	code, message string
}{
	{ErrUnauthorized, http.StatusUnauthorized, "unauthorized", "send the admin token: Authorization: Bearer ..."},
	{ErrReadOnly, http.StatusForbidden, "read_only", "this token sees everything but secrets and changes nothing; send the admin token"},
	{errRole, http.StatusForbidden, "forbidden", "this token's role does not allow this; it takes a token with the role admin"},
	{echo.ErrNotFound, http.StatusNotFound, "not_found", "not found"},
	{echo.ErrMethodNotAllowed, http.StatusMethodNotAllowed, "method_not_allowed", "this path does not support that method"},
	{registry.ErrNotFound, http.StatusNotFound, "not_found", "no such endpoint"},
	{archive.ErrNoEvent, http.StatusNotFound, "not_found", "no such event is stored"},
	{deliveries.ErrNoDelivery, http.StatusNotFound, "not_found", "no such delivery is waiting or dead"},
	{deliveries.ErrNotFound, http.StatusNotFound, "not_found", "no such delivery"},
	{failure.ErrBodyGone, http.StatusConflict, "no_request", "the body is no longer stored, so no request can be made"},
	{recovery.ErrNotFound, http.StatusNotFound, "not_found", "no such recovery"},
	{recovery.ErrTooMuch, http.StatusUnprocessableEntity, "too_much", "too many deliveries in this period; choose a shorter one"},
	{rejected.ErrNotFound, http.StatusNotFound, "not_found", "no such rejected request"},
	{seal.ErrWrongKey, http.StatusConflict, "wrong_key", "JETHOOK_ENCRYPTION_KEY of this process does not match the store; set the right key and restart"},
	{seal.ErrUnreadable, http.StatusConflict, "unreadable", "the stored record can't be read (see GET /api/v1/status); set the key that sealed it, restore it, or remove and recreate it"},
	{deliveries.ErrUnderWay, http.StatusConflict, "under_way", "the delivery is being attempted now"},
	{deliveries.ErrInOrder, http.StatusConflict, "in_order", "the endpoint is ordered, and earlier events are waiting"},
	{ErrDisabled, http.StatusConflict, "endpoint_disabled", "the endpoint is disabled; enable it to resume its waiting deliveries"},
	{failure.ErrMoving, http.StatusServiceUnavailable, "moving", "the store is being moved to a NATS cluster (see jethook status); do this there once it is"},
	{failure.ErrConflict, http.StatusConflict, "conflict", "the record was changed concurrently; try again"},
	{ErrBodyTooLarge, http.StatusRequestEntityTooLarge, "too_large", "the body is too large"},
	{failure.ErrTooLarge, http.StatusRequestEntityTooLarge, "too_large", "the event is too large to store"},
	{failure.ErrBusy, http.StatusServiceUnavailable, "overloaded", "too many requests at once; try again"},
	{failure.ErrFull, http.StatusServiceUnavailable, "store_full", "the store is full; try again later"},
	{failure.ErrUnavailable, http.StatusServiceUnavailable, "unavailable", "the store does not respond; try again"},
	{registry.ErrUnavailable, http.StatusServiceUnavailable, "unavailable", "the store does not respond; try again"},
	{context.DeadlineExceeded, http.StatusServiceUnavailable, "unavailable", "the store did not respond in time; try again"},
}

// Failure maps every error to its answer. The cause of a fault on this side is only logged: once in a while
// where an outage repeats it, and not at all when the client went away and nobody hears the answer.
func (a *API) Failure(err error) *Failure {
	f := failureOf(err)
	if f.status >= http.StatusInternalServerError && !errors.Is(err, context.Canceled) {
		a.faults.Do(func() {
			a.Log.Error("request failed", "status", f.status, "code", f.Detail.Code, "error", err)
		})
	}
	return f
}

func failureOf(err error) *Failure {
	if f, ok := errors.AsType[*Failure](err); ok {
		return f
	}
	if problems, ok := errors.AsType[endpoint.Problems](err); ok {
		return Invalid(fieldsOf(problems)...)
	}
	if search, ok := errors.AsType[*archive.SearchError](err); ok {
		return NewFailure(http.StatusUnprocessableEntity, "search_too_long", search.Error())
	}
	if running, ok := errors.AsType[*recovery.RunningError](err); ok { // the endpoint has a recovery already
		return NewFailure(http.StatusConflict, "recovering", running.Error())
	}
	if errors.Is(err, paging.ErrBadCursor) {
		return Invalid(BadCursor)
	}
	for _, f := range failures {
		if errors.Is(err, f.err) {
			return NewFailure(f.status, f.code, f.message)
		}
	}
	return NewFailure(http.StatusInternalServerError, "internal", "internal error; see the log")
}

func fieldsOf(problems endpoint.Problems) []FailureField {
	fields := make([]FailureField, len(problems))
	for i, p := range problems {
		fields[i] = FailureField(p)
	}
	return fields
}
