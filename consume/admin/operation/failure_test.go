package operation

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/labstack/echo/v4"

	"jethook/consume/deliveries"
	"jethook/consume/endpoint"
	"jethook/consume/registry"
	"jethook/publish/failure"
)

func TestFailureOf(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err    error
		status int
		code   string
	}{
		{ErrUnauthorized, 401, "unauthorized"},
		{echo.ErrNotFound, 404, "not_found"},
		{echo.ErrMethodNotAllowed, 405, "method_not_allowed"},
		{registry.ErrNotFound, 404, "not_found"},
		{registry.ErrUnavailable, 503, "unavailable"},
		{endpoint.Problems{{Field: "url", Message: "has no host"}}, 422, "invalid"},
		{deliveries.ErrNoDelivery, 404, "not_found"},
		{deliveries.ErrUnderWay, 409, "under_way"},
		{failure.ErrConflict, 409, "conflict"},
		{failure.ErrTooLarge, 413, "too_large"},
		{failure.ErrBusy, 503, "overloaded"},
		{failure.ErrFull, 503, "store_full"},
		{failure.ErrUnavailable, 503, "unavailable"},
		{failure.ErrRefused, 500, "internal"},
		{context.DeadlineExceeded, 503, "unavailable"},
		{errors.New("anything else"), 500, "internal"},
	} {
		f := failureOf(fmt.Errorf("doing something: %w", tt.err))
		if f.status != tt.status || f.Detail.Code != tt.code || f.Detail.Message == "" {
			t.Errorf("%v: got %d %+v, want %d %s", tt.err, f.status, f.Detail, tt.status, tt.code)
		}
		if h := f.GetHeaders(); (h.Get("Retry-After") != "") != (tt.status == 503) || (h.Get("WWW-Authenticate") != "") != (tt.status == 401) {
			t.Errorf("%v: headers %v", tt.err, h)
		}
	}
}
