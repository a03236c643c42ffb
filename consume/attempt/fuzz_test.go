package attempt

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"jethook/consume/endpoint"
)

// Whatever a receiver answers, the pause that it asks for has its bounds.
func FuzzAnswer(f *testing.F) {
	f.Add(429, "120", []byte(`{"retry_after":1.5}`))
	f.Add(503, "Wed, 21 Oct 2099 07:28:00 GMT", []byte(`{"retry_after":1e400}`))
	f.Add(429, "-1", []byte(strings.Repeat("[", 16<<10)))
	f.Add(410, strings.Repeat("9", 40), []byte(`{"retry_after":-1`))
	f.Fuzz(func(t *testing.T, status int, pause string, body []byte) {
		res := Result{Status: status, Response: body}
		res.judge(&http.Response{Header: http.Header{"Retry-After": {pause}}}, endpoint.FormatDiscord, time.Unix(0, 0))
		if res.RetryAfter < 0 || res.RetryAfter > maxRetryAfter {
			t.Errorf("%s", res.RetryAfter)
		}
	})
}
