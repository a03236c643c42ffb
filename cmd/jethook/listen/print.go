package listen

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"jethook/consume/admin/message"
	"jethook/consume/archive"
	"jethook/consume/attempt"
	"jethook/publish/eventlog"
)

// Heard is an event as the command prints it with --json.
type Heard struct {
	archive.StoredEvent
	Headers map[string][]string `json:"headers"`
	message.EventBody
	Forwarded *forwarded `json:"forwarded,omitempty"`
}

// forwarded is what came of posting an event.
type forwarded struct {
	Verdict    string        `json:"verdict"` // delivered, failed, gone, or aborted by Ctrl-C
	Status     int           `json:"status,omitempty"`
	Class      attempt.Class `json:"class"`
	Error      string        `json:"error,omitempty"`
	DurationMS float64       `json:"duration_ms"`
	Response   string        `json:"response,omitempty"`
}

func printHeard(w io.Writer, h *eventlog.Head, res *attempt.Result) error {
	line := Heard{StoredEvent: archive.Describe(h), Headers: h.Header, EventBody: message.ShowBody(h.Body, math.MaxInt)}
	if res != nil {
		line.Forwarded = &forwarded{
			Verdict: res.Verdict.String(), Status: res.Status, Class: res.Class, Error: res.Detail,
			DurationMS: float64(res.Duration.Microseconds()) / 1000, Response: string(res.Response),
		}
	}
	if err := json.NewEncoder(w).Encode(line); err != nil {
		return fmt.Errorf("printing an event: %w", err)
	}
	return nil
}

// maxAnswered is how many bytes of a response are printed after a failure.
const maxAnswered = 200

// answerLine says in one line what came of posting an event.
func answerLine(res *attempt.Result) string {
	took := res.Duration.Round(100 * time.Microsecond)
	if res.Verdict == attempt.Delivered {
		return fmt.Sprintf("  %d in %s", res.Status, took)
	}
	line := fmt.Sprintf("  %s after %s", res.Detail, took)
	if body := strings.TrimSpace(strings.ToValidUTF8(string(res.Response[:min(len(res.Response), maxAnswered)]), "")); body != "" {
		line += ": " + body
	}
	return line
}
