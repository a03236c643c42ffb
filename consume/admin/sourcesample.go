package admin

import (
	"context"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

func (s *Server) sourceSampleRoutes() {
	register(s, huma.Operation{
		OperationID: "get-source-sample", Method: http.MethodGet, Path: "/api/v1/sources/{name}/sample", Tags: []string{"sources"},
		Summary: "Get a signed sample request",
		Description: "Returns a request as the source's sender makes it, with a current timestamp and a valid signature. Send it to see an event come " +
			"through: it is stored like any other, with the type jethook.sample where the sender has types of its own.",
		Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, requestTimeout, s.getSourceSample)
}

// SourceSample is a request that a source takes for an event of its sender.
type SourceSample struct {
	URL     string            `json:"url" doc:"where the source receives; without JETHOOK_PUBLIC_URL, on this machine" example:"https://hooks.example.com/webhooks/stripe"`
	Headers map[string]string `json:"headers" doc:"with the signature, which is valid for as long as the sender's timestamps are"`
	Body    string            `json:"body"`
	Curl    string            `json:"curl" doc:"the command that sends it" example:"printf %s '{}' | curl --data-binary @- 'https://hooks.example.com/webhooks/stripe'"`
}

type sourceSampleOutput struct{ Body SourceSample }

func (s *Server) getSourceSample(_ context.Context, in *SourceParam) (*sourceSampleOutput, error) {
	if _, err := s.source(in.Name); err != nil {
		return nil, err
	}
	if s.sample == nil {
		return nil, errNotReceiving
	}
	header, body, ok := s.sample(in.Name)
	if !ok {
		return nil, errNoSample
	}
	out := &sourceSampleOutput{SourceSample{URL: s.sampleAddress(in.Name), Headers: make(map[string]string), Body: string(body)}}
	shown := RequestShown{URL: out.Body.URL}
	for _, name := range slices.Sorted(maps.Keys(header)) {
		out.Body.Headers[name] = header.Get(name)
		shown.Headers = append(shown.Headers, Header{Name: name, Value: header.Get(name)})
	}
	out.Body.Curl = Curl(&shown, body)
	return out, nil
}

// SourceSample is GET /api/v1/sources/{name}/sample.
func (s *Server) SourceSample(ctx context.Context, source string) (*SourceSample, error) {
	out, err := perform(ctx, s, "get-source-sample", &SourceParam{source}, s.getSourceSample)
	if err != nil {
		return nil, err
	}
	return &out.Body, nil
}

// SourceAddress is what a sender is given: the source's own address, or the public one; else only the path is known.
func (s *Server) SourceAddress(name string) string {
	for i := range s.cfg.Sources {
		if c := &s.cfg.Sources[i]; c.Name == name && c.URL != "" {
			return c.URL
		}
	}
	return strings.TrimSuffix(s.cfg.PublicURL, "/") + "/webhooks/" + name
}

// sampleAddress is SourceAddress, on this machine where only the path is known.
func (s *Server) sampleAddress(name string) string {
	address := s.SourceAddress(name)
	if !strings.HasPrefix(address, "/") {
		return address
	}
	scheme := "http://"
	if s.cfg.TLSCert != "" {
		scheme = "https://"
	}
	host, port, err := net.SplitHostPort(s.cfg.Listen)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip.IsUnspecified()) {
		host = "localhost"
	}
	return scheme + net.JoinHostPort(host, port) + address
}
