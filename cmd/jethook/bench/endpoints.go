package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// createEndpoints makes an endpoint for each that is counted. On an error too it returns those that it made.
func (r *deliverRun) createEndpoints(ctx context.Context, api API, t *tally) (ids []string, err error) {
	defer watch(r.tools.Progress, func() string { return "making endpoints" })()
	base := r.receiver
	if r.ReceiverURL != "" {
		base = strings.TrimRight(r.ReceiverURL, "/")
	}
	nowhere, err := refusingURL(base)
	if err != nil {
		return nil, err
	}
	for i, k := range t.kinds {
		to := base
		if k == refusing {
			to = nowhere
		}
		answer, err := api(ctx, http.MethodPost, "/api/v1/endpoints", map[string]any{
			"name": fmt.Sprintf("bench %s %d", t.run, i), "url": fmt.Sprintf("%s/%s/%d", to, t.run, i), "events": []string{pattern},
		})
		if err != nil {
			return ids, fmt.Errorf("making endpoint %d of %d: %w", i+1, len(t.kinds), err)
		}
		var made struct {
			ID string `json:"id"`
		}
		if err := json.Unmarshal(answer, &made); err != nil {
			return ids, fmt.Errorf("making an endpoint: %w", err)
		}
		ids = append(ids, made.ID)
	}
	return ids, nil
}

// refusingURL is one on the receiver's machine that takes no connection: nobody listens on the first port.
func refusingURL(receiver string) (string, error) {
	u, err := url.Parse(receiver)
	if err != nil {
		return "", fmt.Errorf("reading the receiver's address: %w", err)
	}
	return "http://" + net.JoinHostPort(u.Hostname(), "1"), nil
}

const removeTimeout = time.Minute

// removeEndpoints leaves a running Jethook as it was, also when the run was interrupted.
func removeEndpoints(ctx context.Context, api API, ids []string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeTimeout)
	defer cancel()
	var left []string
	var cause error
	for _, id := range ids {
		if _, err := api(ctx, http.MethodDelete, "/api/v1/endpoints/"+id, nil); err != nil {
			left, cause = append(left, id), err
		}
	}
	if left == nil {
		return nil
	}
	return fmt.Errorf("removing what the run made: %w; left are %s", cause, strings.Join(left, " "))
}
