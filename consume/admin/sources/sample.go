package sources

import (
	"context"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"jethook/consume/admin/message"
	"jethook/consume/admin/operation"
)

func (o *Operations) sourceSampleRoutes() {
	operation.Register(o.api, huma.Operation{
		OperationID: "get-source-sample", Method: http.MethodGet, Path: "/api/v1/sources/{name}/sample", Tags: []string{"sources"},
		Summary: "Get a signed sample request",
		Description: "Returns a request as the source's sender makes it, with a current timestamp and a valid signature. Send it to see an event come " +
			"through: it is stored like any other, with the type jethook.sample where the sender has types of its own.",
		Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, operation.Timeout, o.getSourceSample)
}

// SourceSample is a request that a source takes for an event of its sender.
type SourceSample struct {
	URL     string            `json:"url" doc:"where the source receives; without JETHOOK_PUBLIC_URL, on this machine" example:"https://hooks.example.com/webhooks/stripe"`
	Headers map[string]string `json:"headers" doc:"with the signature, which is valid for as long as the sender's timestamps are"`
	Body    string            `json:"body"`
	Curl    string            `json:"curl" doc:"the command that sends it" example:"printf %s '{}' | curl --data-binary @- 'https://hooks.example.com/webhooks/stripe'"`
}

func (o *Operations) getSourceSample(_ context.Context, in *SourceParam) (*operation.Answer[SourceSample], error) {
	if _, err := o.source(in.Name); err != nil {
		return nil, err
	}
	if o.sample == nil {
		return nil, errNotReceiving
	}
	header, body, ok := o.sample(in.Name)
	if !ok {
		return nil, errNoSample
	}
	out := &operation.Answer[SourceSample]{Body: SourceSample{URL: o.sampleAddress(in.Name), Headers: make(map[string]string), Body: string(body)}}
	shown := message.RequestShown{URL: out.Body.URL}
	for _, name := range slices.Sorted(maps.Keys(header)) {
		out.Body.Headers[name] = header.Get(name)
		shown.Headers = append(shown.Headers, message.Header{Name: name, Value: header.Get(name)})
	}
	out.Body.Curl = message.Curl(&shown, body)
	return out, nil
}

// Address is what a sender is given: the source's own address, or the public one; else only the path is known.
func (o *Operations) Address(name string) string {
	for i := range o.cfg.Sources {
		if c := &o.cfg.Sources[i]; c.Name == name && c.URL != "" {
			return c.URL
		}
	}
	return strings.TrimSuffix(o.cfg.PublicURL, "/") + "/webhooks/" + name
}

// sampleAddress is Address, on this machine where only the path is known.
func (o *Operations) sampleAddress(name string) string {
	address := o.Address(name)
	if !strings.HasPrefix(address, "/") {
		return address
	}
	scheme := "http://"
	if o.cfg.TLSCert != "" {
		scheme = "https://"
	}
	host, port, err := net.SplitHostPort(o.cfg.Listen)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip.IsUnspecified()) {
		host = "localhost"
	}
	return scheme + net.JoinHostPort(host, port) + address
}

// Sample is GET /api/v1/sources/{name}/sample, for a caller in the same process.
func (o *Operations) Sample(ctx context.Context, source string) (*SourceSample, error) {
	return operation.Call(ctx, o.api, "get-source-sample", operation.Timeout, &SourceParam{source}, o.getSourceSample)
}
