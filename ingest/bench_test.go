package ingest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"jethook/config"
	"jethook/config/quantity"
	"jethook/publish"
	"jethook/publish/bustest"
)

// BenchmarkIngest is one webhook of 1 KB over HTTP: "bare" is an Echo handler that checks the same signature
// and stores nothing, the others are Jethook with its store.
func BenchmarkIngest(b *testing.B) {
	for _, connections := range []int{64, 256} {
		b.Run(fmt.Sprintf("bare/%d", connections), func(b *testing.B) { load(b, connections, bare()) })
		for _, sync := range []quantity.Sync{quantity.Sync(2 * time.Minute), 0} {
			b.Run(fmt.Sprintf("sync=%s/%d", sync, connections), func(b *testing.B) {
				s, err := New(Options{
					Publisher: openBus(b, sync), Sources: []config.Source{plain("plain")},
					MaxBody: 1 << 20, Log: slog.New(slog.DiscardHandler),
				})
				if err != nil {
					b.Fatal(err)
				}
				load(b, connections, s.Handler())
			})
		}
	}
}

func openBus(b *testing.B, sync quantity.Sync) *publish.Bus {
	cfg := config.Default()
	cfg.DataDir, cfg.NATSListen, cfg.Sync = b.TempDir(), "off", sync
	bus := bustest.Open(b, cfg)
	return bus
}

// bare is the least that a verified webhook can cost.
func bare() http.Handler {
	e := echo.New()
	e.POST("/webhooks/plain", func(c echo.Context) error {
		body, err := io.ReadAll(c.Request().Body)
		if err != nil {
			return err
		}
		given, _ := hex.DecodeString(c.Request().Header.Get("X-Polaris-Signature"))
		m := hmac.New(sha256.New, []byte("key"))
		m.Write(body)
		if !hmac.Equal(m.Sum(nil), given) {
			return echo.ErrUnauthorized
		}
		return c.NoContent(http.StatusAccepted)
	})
	return e
}

// load sends distinct events over that many connections at once.
func load(b *testing.B, connections int, h http.Handler) {
	server := httptest.NewServer(h)
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
	defer client.CloseIdleConnections()
	filler := strings.Repeat("x", 900)
	var next atomic.Int64
	b.SetParallelism(max(1, connections/runtime.GOMAXPROCS(0)))
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			body := []byte(fmt.Sprintf(`{"id":"evt_%d","type":"order.created","payload":{"text":"%s"}}`, next.Add(1), filler))
			m := hmac.New(sha256.New, []byte("key"))
			m.Write(body)
			r, err := http.NewRequest(http.MethodPost, server.URL+"/webhooks/plain", bytes.NewReader(body))
			if err != nil {
				b.Error(err)
				return
			}
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("X-Polaris-Signature", hex.EncodeToString(m.Sum(nil)))
			resp, err := client.Do(r)
			if err != nil {
				b.Error(err)
				return
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusAccepted {
				b.Errorf("answer %d", resp.StatusCode)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
}
