package attempt

import (
	"fmt"
	"testing"
	"time"

	"jethook/consume/endpoint"
)

var testNow = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]time.Duration{
		"":                               0,
		"0":                              0,
		"120":                            2 * time.Minute,
		" 120 ":                          2 * time.Minute,
		"604800":                         maxRetryAfter,
		"604801":                         maxRetryAfter,
		"99999999999999999999999999999":  maxRetryAfter,
		"-1":                             0,
		"1.5":                            0,
		"1s":                             0,
		"soon":                           0,
		"Sun, 01 Mar 2026 12:01:00 GMT":  time.Minute,
		"Sunday, 01-Mar-26 12:01:00 GMT": time.Minute,
		"Sun Mar  1 12:01:00 2026":       time.Minute,
		"Sun, 01 Mar 2026 11:59:00 GMT":  0,
		"Fri, 01 Mar 2999 12:00:00 GMT":  maxRetryAfter,
		"Sun, 99 Mar 2026 12:00:00 GMT":  0,
	} {
		if got := retryAfter(value, testNow); got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
}

func TestDiscordRetryAfter(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]time.Duration{
		`{"message":"You are being rate limited.","retry_after":1.5,"global":false}`: 1500 * time.Millisecond,
		`{"retry_after":0.0001}`: time.Millisecond,
		`{"retry_after":64}`:     64 * time.Second,
		`{"retry_after":1e300}`:  maxRetryAfter,
		`{"retry_after":-1e300}`: 0,
		`{"retry_after":"5"}`:    0,
		`{"retry_after":null}`:   0,
		`{"retry_after":5`:       0,
		`<html>`:                 0,
		``:                       0,
	} {
		if got := discordRetryAfter([]byte(body)); got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
}

func TestRetryAfterOfResponses(t *testing.T) {
	t.Parallel()
	const discord = `{"retry_after":2.5}`
	for _, row := range []struct {
		status int
		header string
		format endpoint.Format
		want   time.Duration
	}{
		{429, "60", endpoint.FormatRaw, time.Minute},
		{503, "60", endpoint.FormatRaw, time.Minute},
		{500, "60", endpoint.FormatRaw, 0},
		{200, "60", endpoint.FormatRaw, 0},
		{301, "60", endpoint.FormatRaw, 0},
		{429, "", endpoint.FormatRaw, 0},
		{429, "1", endpoint.FormatDiscord, 2500 * time.Millisecond},
		{429, "60", endpoint.FormatDiscord, time.Minute}, // its proxy's, when it blocks an address
	} {
		url := rawServer(t, answer(fmt.Sprintf("HTTP/1.1 %d X\r\nRetry-After: %s\r\nContent-Length: %d\r\n\r\n%s", row.status, row.header, len(discord), discord)))
		e := endpointAt(url)
		e.Format = row.format
		if res := local(t).Do(t.Context(), requestTo(e)); res.RetryAfter != row.want {
			t.Errorf("%d, %q, %s: %s, want %s", row.status, row.header, row.format, res.RetryAfter, row.want)
		}
	}
}
