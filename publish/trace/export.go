package trace

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"jethook/publish/outage"
)

// exporter exports spans, and tells the log once that it can't until it can again.
type exporter struct {
	sdk.SpanExporter
	log    *slog.Logger
	to     string
	outage outage.Outage
}

// ExportSpans exports a batch, or drops it.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	e.outage.Tell(e.log, err, "to", e.to)
	return nil // it is told
}

// client sends spans to a collector. The exporter of OpenTelemetry would do it at the price of gRPC in the binary: 8 MB.
type client struct {
	*settings
	http *http.Client
	life context.Context // ends with the Tracer
}

// Start does nothing: a collector may come later.
func (*client) Start(context.Context) error { return nil }

// Stop closes the connections.
func (c *client) Stop(context.Context) error {
	c.http.CloseIdleConnections()
	return nil
}

// Between two tries there are pauses from the first to the last.
const firstPause, lastPause = 250 * time.Millisecond, 5 * time.Second

// UploadTraces sends spans until the collector has taken or refused them, or the timeout is over:
// https://opentelemetry.io/docs/specs/otlp/#otlphttp
func (c *client) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	defer context.AfterFunc(c.life, cancel)()
	body, err := c.encode(spans)
	if err != nil {
		return err
	}
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		asked, again, err := c.post(ctx, body)
		if err == nil || !again {
			return err
		}
		timer := time.NewTimer(cmp.Or(asked, pause/2+rand.N(pause)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}

// encode makes the body of a request. A TracesData is what an ExportTraceServiceRequest is on the wire.
func (c *client) encode(spans []*tracepb.ResourceSpans) ([]byte, error) {
	body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: spans})
	if err != nil || !c.gzip {
		return body, err
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err = w.Write(body)
	err = errors.Join(err, w.Close())
	return packed.Bytes(), err
}

// retryable are the answers after which the same request may be made again.
var retryable = []int{http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout}

// maxAnswer is how many bytes of an answer are read, so that its connection can be used again.
const maxAnswer = 64 << 10

// post makes one try. It reports whether another one may help, and for which pause the collector asks before.
func (c *client) post(ctx context.Context, body []byte) (pause time.Duration, again bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return 0, false, err
	}
	req.Header = c.header.Clone()
	req.Header.Set("Content-Type", "application/x-protobuf")
	if c.gzip {
		req.Header.Set("Content-Encoding", "gzip")
	}
	res, err := c.http.Do(req)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // without the address, which may hold a secret
		}
		return 0, true, err
	}
	defer res.Body.Close()
	io.CopyN(io.Discard, res.Body, maxAnswer) // what it says beside its status concerns nobody
	if res.StatusCode/100 == 2 {
		return 0, false, nil
	}
	seconds, _ := strconv.Atoi(res.Header.Get("Retry-After")) // else there is none
	return time.Duration(seconds) * time.Second, slices.Contains(retryable, res.StatusCode), fmt.Errorf("the collector answered with status %d", res.StatusCode)
}
