package bench

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
)

// BareCommand is the name of the command that runs [ServeBare].
const BareCommand = "bare"

const barePath = "/webhooks/bare"

// BareOptions are what the bare handler verifies with.
type BareOptions struct {
	Secret string
	Header string // carries the hex HMAC-SHA256 of the body
}

// ServeBare answers what a verified webhook costs at the least: an Echo handler reads the body, verifies it, answers 202 and
// stores nothing. It listens on a free port of this machine and writes its address to out. It ends with ctx.
func ServeBare(ctx context.Context, o BareOptions, out io.Writer) error {
	e := echo.New()
	e.POST(barePath, func(c echo.Context) error {
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
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("starting the bare handler: %w", err)
	}
	fmt.Fprintln(out, l.Addr())
	server := &http.Server{Handler: e, ReadHeaderTimeout: 5 * time.Second}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("running the bare handler: %w", err)
	}
	return nil
}

// startBare runs the bare handler in a process of its own, as Jethook has one, and returns its address.
func startBare(o BareOptions) (c *child, address string, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, "", fmt.Errorf("starting the bare handler: %w", err)
	}
	defer r.Close()
	c, err = startChild(nil, strings.NewReader(o.Secret), w, "bench", BareCommand, "--secret-file", "-", "--header", o.Header)
	w.Close() // the child has its own, so that reading ends when it ends
	if err != nil {
		return nil, "", err
	}
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		c.stop()
		return nil, "", c.failure(fmt.Errorf("the bare handler did not start: %w", err))
	}
	return c, line[:len(line)-1], nil
}
