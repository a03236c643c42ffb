package ingest

import (
	"net/http"
	"time"

	"github.com/nats-io/nuid"
)

// Sample returns the header and the body of a POST that the source takes for an event of its sender: it is signed with the newest
// secret, for the present time. It is false where there is no such source, or where its sender's requests can't be signed here.
func (s *Server) Sample(name string) (header http.Header, body []byte, ok bool) {
	src, ok := s.sources[name]
	if !ok {
		return nil, nil, false
	}
	for _, secret := range src.Secrets() {
		r, err := src.Sender.SampleRequest(secret, src.URL, "sample_"+nuid.Next(), time.Now())
		if err == nil {
			return r.Header, r.Body, true
		}
	}
	return nil, nil, false
}
