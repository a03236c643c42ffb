// Package operation is what every operation of the admin API is made of, whatever it is on: how it is registered, what bounds
// it, who may do it, its entry in the audit trail, how it is repeated, and the one form of its errors. It knows no operation.
package operation

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/time/rate"

	"jethook/consume/registry"
	"jethook/publish"
)

// API is what operations are registered with, and what performing one needs.
type API struct {
	Huma     huma.API
	Bus      *publish.Bus
	Registry *registry.Registry // nil in a process that keeps none
	Log      *slog.Logger

	faults rate.Sometimes // logs a store that stays away once in a while
}

// LogPause is how often a fault that repeats is logged.
const LogPause = 5 * time.Second

// New returns an API without operations.
func New(h huma.API, bus *publish.Bus, registry *registry.Registry, log *slog.Logger) *API {
	return &API{Huma: h, Bus: bus, Registry: registry, Log: log, faults: rate.Sometimes{First: 1, Interval: LogPause}}
}

const (
	// Timeout bounds what a request waits for the store.
	Timeout = 10 * time.Second
	// BulkTimeout is for requests over many messages: dead letters in bulk, which bound themselves to seconds, and
	// the count of what there is to recover.
	BulkTimeout = 2 * time.Minute
	// BodyTimeout is how long a body may take to arrive.
	BodyTimeout = 30 * time.Second
	// MaxBody bounds, in bytes, every body but that of an event.
	MaxBody = 1 << 20
)

// Answer is the output of an operation that says nothing beside its body.
type Answer[B any] struct{ Body B }

// Register adds an operation: its place in the OpenAPI document, its limits, and the form of its errors.
func Register[I, O any](a *API, op huma.Operation, limit time.Duration, handle func(context.Context, *I) (*O, error)) {
	op.BodyReadTimeout = BodyTimeout
	// huma refuses a body of exactly this many bytes.
	op.MaxBodyBytes = max(op.MaxBodyBytes, MaxBody) + 1
	op.Errors = append(op.Errors, http.StatusUnauthorized, http.StatusUnprocessableEntity, http.StatusServiceUnavailable)
	if op.Method != http.MethodGet { // for the token that only reads
		op.Errors = append(op.Errors, http.StatusForbidden)
	}
	if op.Method == http.MethodPost || op.Method == http.MethodPatch {
		op.Errors = append(op.Errors, http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	huma.Register(a.Huma, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := Perform(ctx, a, op.OperationID, limit, in, handle)
		if err != nil {
			return nil, a.Failure(err)
		}
		return out, nil
	})
}

// Call performs an operation for a caller in the same process, such as the dashboard, with the same checks and the same
// answer as over HTTP; [API.Failure] puts an error into the API's words. The caller passes the access of whoever asks in the
// context, by [access.With].
func Call[I, B any](
	ctx context.Context, a *API, id string, limit time.Duration, in *I, handle func(context.Context, *I) (*Answer[B], error),
) (*B, error) {
	out, err := Perform(ctx, a, id, limit, in, handle)
	if err != nil {
		return nil, err
	}
	return &out.Body, nil
}
