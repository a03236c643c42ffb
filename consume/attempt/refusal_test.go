package attempt

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"jethook/consume/endpoint"
)

// A chat service's refusals, as it documents them: what is wrong is said, and a webhook that was removed is given up.
func TestChatRefusals(t *testing.T) {
	t.Parallel()
	const slack, discord = endpoint.FormatSlack, endpoint.FormatDiscord
	for _, row := range []struct {
		format  endpoint.Format
		status  int
		body    string
		verdict Verdict
		detail  string
	}{
		{slack, 400, "invalid_blocks", Failed, "answered 400 Bad Request: invalid_blocks"},
		{slack, 400, "no_text\n", Failed, "answered 400 Bad Request: no_text"},
		{slack, 403, "action_prohibited", Failed, "answered 403 Forbidden: action_prohibited"},
		{slack, 403, "invalid_token", Gone, "answered 403 Forbidden: invalid_token: the webhook was removed there"},
		{slack, 404, "no_service", Gone, "answered 404 Not Found: no_service: the webhook was removed there"},
		{slack, 404, "channel_not_found", Gone, "answered 404 Not Found: channel_not_found: the webhook was removed there"},
		{slack, 410, "channel_is_archived", Gone, "answered 410 Gone: channel_is_archived: the webhook was removed there"},
		{slack, 404, "<html>nginx</html>", Failed, "answered 404 Not Found"},
		{slack, 500, "no_service", Failed, "answered 500 Internal Server Error: no_service"},
		{discord, 404, `{"message": "Unknown Webhook", "code": 10015}`, Gone, "answered 404 Not Found: Unknown Webhook (10015): the webhook was removed there"},
		{discord, 401, `{"message": "Invalid Webhook Token", "code": 50027}`, Gone, "answered 401 Unauthorized: Invalid Webhook Token (50027): the webhook was removed there"},
		{discord, 404, "", Gone, "answered 404 Not Found: the webhook was removed there"},
		{discord, 404, `{"message": "Unknown Channel", "code": 10003}`, Failed, "answered 404 Not Found: Unknown Channel (10003)"},
		{discord, 400, `{"message": "Cannot send an empty message", "code": 50006}`, Failed, "answered 400 Bad Request: Cannot send an empty message (50006)"},
		{discord, 400, `{"embeds": ["0"]}`, Failed, "answered 400 Bad Request"},
		{endpoint.FormatRaw, 404, `{"message": "Unknown Webhook", "code": 10015}`, Failed, "answered 404 Not Found"},
		{endpoint.FormatRaw, 404, "no_service", Failed, "answered 404 Not Found"},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(row.status)
			_, _ = io.WriteString(w, row.body)
		}))
		t.Cleanup(s.Close)
		e := endpointAt(s.URL)
		e.Format = row.format
		res := local(t).Do(t.Context(), requestTo(e))
		expect(t, res, row.verdict, ClassStatus)
		if res.Detail != row.detail {
			t.Errorf("%s %d %s: got %q, want %q", row.format, row.status, row.body, res.Detail, row.detail)
		}
	}
}

// Discord says in each answer how many more it takes.
func TestDiscordAllowance(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		format           endpoint.Format
		status           int
		remaining, reset string
		want             *Allowance
		retry            time.Duration
	}{
		{endpoint.FormatDiscord, 204, "4", "1.5", &Allowance{4, 1500 * time.Millisecond}, 0},
		{endpoint.FormatDiscord, 429, "0", "0.75", &Allowance{0, 750 * time.Millisecond}, 750 * time.Millisecond},
		{endpoint.FormatDiscord, 204, "4", "NaN", nil, 0},
		{endpoint.FormatDiscord, 204, "-1", "1", nil, 0},
		{endpoint.FormatDiscord, 204, "", "1", nil, 0},
		{endpoint.FormatDiscord, 204, "1", "1e300", &Allowance{1, maxRetryAfter}, 0},
		{endpoint.FormatRaw, 204, "4", "1.5", nil, 0},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-RateLimit-Limit", "5")
			w.Header().Set("X-RateLimit-Remaining", row.remaining)
			w.Header().Set("X-RateLimit-Reset-After", row.reset)
			w.WriteHeader(row.status)
		}))
		t.Cleanup(s.Close)
		e := endpointAt(s.URL)
		e.Format = row.format
		res := local(t).Do(t.Context(), requestTo(e))
		if (res.Allowance == nil) != (row.want == nil) || res.Allowance != nil && *res.Allowance != *row.want || res.RetryAfter != row.retry {
			t.Errorf("%+v: got %+v, %s", row, res.Allowance, res.RetryAfter)
		}
	}
}
