package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// barePosts posts the body over that many connections with net/http and nothing else, to the receiver that deliveries go
// to, until the time is over or most posts are made. It returns how many a second there were.
func barePosts(ctx context.Context, url string, body string, connections int, limit time.Duration, most int64) (float64, error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
	defer client.CloseIdleConnections()
	timed, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var begun, done atomic.Int64
	var failed atomic.Pointer[error]
	start := time.Now()
	var wg sync.WaitGroup
	for range connections {
		wg.Go(func() {
			for begun.Add(1) <= most && failed.Load() == nil {
				if err := post(timed, client, url, body); err != nil {
					if timed.Err() == nil {
						failed.Store(&err)
					}
					return
				}
				done.Add(1)
			}
		})
	}
	wg.Wait()
	rate := perSecond(done.Load(), time.Since(start))
	if err := failed.Load(); err != nil {
		return 0, fmt.Errorf("posting to the receiver: %w", *err)
	}
	return rate, ctx.Err()
}

func post(ctx context.Context, client *http.Client, url, body string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	return nil
}
