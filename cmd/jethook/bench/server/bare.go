package server

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
)

// BareCommand is the name of the command that runs [ServeBare].
const BareCommand = "bare"

// BarePath is where the bare handler takes webhooks.
const BarePath = "/webhooks/bare"

const readyPath = "/readyz" // as Jethook has it

// BareOptions are where the bare handler listens and what it verifies with.
type BareOptions struct {
	Listen string
	Secret string
	Header string // carries the hex HMAC-SHA256 of the body
}

// ServeBare answers what a verified webhook costs at the least: an Echo handler reads the body, verifies it, answers 202 and
// stores nothing. It ends with ctx.
func ServeBare(ctx context.Context, o BareOptions) error {
	e := echo.New()
	e.GET(readyPath, func(c echo.Context) error { return c.NoContent(http.StatusOK) })
	e.POST(BarePath, func(c echo.Context) error {
		body, err := io.ReadAll(c.Request().Body)
		if err != nil {
			return err
		}
		given, err := hex.DecodeString(c.Request().Header.Get(o.Header))
		if err != nil {
			return echo.ErrUnauthorized
		}
		mac := hmac.New(sha256.New, []byte(o.Secret))
		mac.Write(body)
		if !hmac.Equal(mac.Sum(nil), given) {
			return echo.ErrUnauthorized
		}
		return c.NoContent(http.StatusAccepted)
	})
	server := &http.Server{Addr: o.Listen, Handler: e, ReadHeaderTimeout: 5 * time.Second}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("running the bare handler: %w", err)
	}
	return nil
}
