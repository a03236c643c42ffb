package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"jethook/config"
	"jethook/consume/attempt"
	"jethook/consume/deliveries"
	"jethook/consume/paging"
	"jethook/consume/rejected"
	"jethook/publish/quarantine"
)

func (s *Server) rejectedRoutes() {
	const (
		all = "/api/v1/sources/{name}/rejected"
		one = all + "/{id}"
	)
	register(s, huma.Operation{
		OperationID: "list-rejected", Method: http.MethodGet, Path: all, Tags: []string{"sources"},
		Summary: "List rejected requests",
		Description: "Requests that failed verification, newest first, without bodies. Only some of a burst are kept, and the oldest are removed first. A page may be short or " +
			"empty although more follow; continue while next_cursor is not empty.",
		Errors: []int{http.StatusNotFound},
	}, requestTimeout, s.listRejected)
	register(s, huma.Operation{
		OperationID: "get-rejected", Method: http.MethodGet, Path: one, Tags: []string{"sources"},
		Summary:     "Get a rejected request",
		Description: "Returns its headers without credentials, and its body, or the beginning of a body that was too large to keep.",
		Errors:      []int{http.StatusNotFound},
	}, requestTimeout, s.getRejected)
	register(s, huma.Operation{
		OperationID: "remove-rejected", Method: http.MethodDelete, Path: one, Tags: []string{"sources"},
		Summary:     "Remove a rejected request permanently",
		Description: "It can no longer be verified again.",
		Errors:      []int{http.StatusNotFound},
	}, requestTimeout, s.removeRejected)
	register(s, huma.Operation{
		OperationID: "retry-rejected", Method: http.MethodPost, Path: "/api/v1/sources/{name}/retry", Tags: []string{"sources"},
		Summary: "Verify rejected requests again",
		Description: "Verifies with the current secrets, as of the time each request arrived. Requests that pass are stored as if they arrived now, and are no longer rejected. " +
			"Select them by ids, or else by since, until, and reason; without any of these, all requests of the source are verified. One request handles as " +
			"many as it can in a few seconds; continue with cursor while next_cursor is not empty. An interrupted request can be repeated. " +
			"Only processes that receive webhooks can do this (409, not_receiving).",
		Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, bulkTimeout, s.retryRejected)
}

// SourceParam names a source. It is exported because huma passes over embedded types that are not.
type SourceParam struct {
	Name string `path:"name" doc:"a source's name, as in JETHOOK_SOURCES" example:"shop"`
}

// source returns the source's settings, or errNoSource.
func (s *Server) source(name string) (*config.Source, error) {
	i := slices.IndexFunc(s.cfg.Sources, func(c config.Source) bool { return c.Name == name })
	if i < 0 {
		return nil, errNoSource
	}
	return &s.cfg.Sources[i], nil
}

type listRejectedInput struct {
	SourceParam
	PageParams
	Reason string `query:"reason" maxLength:"64" doc:"the reason for the rejection" example:"bad_signature"`
	Since  string `query:"since" doc:"only requests since a time (RFC 3339), or within a period, such as 24h" example:"24h"`
	Until  string `query:"until" doc:"only requests before a time (RFC 3339), or longer ago than a period" example:"2026-01-02T15:04:05Z"`
}

// RejectedRequest is a request that did not verify, without its body.
type RejectedRequest struct {
	ID       string    `json:"id" doc:"its id" example:"17"`
	Received time.Time `json:"received" doc:"when it arrived" example:"2026-01-02T15:04:05Z"`
	Reason   string    `json:"reason" doc:"why it was rejected, as a code" example:"bad_signature"`
	Method   string    `json:"method" doc:"its HTTP method" example:"POST"`
	Query    string    `json:"query,omitempty" doc:"the query of its URL; values are hidden" example:"token=***"`
	Remote   string    `json:"remote" doc:"the sender's address" example:"192.0.2.1"`
	Size     int       `json:"size" doc:"size of its body in bytes" example:"1024"`
	BodyKept bool      `json:"body_kept" doc:"whether the complete body was kept; otherwise it can't be verified again" example:"true"`
	SHA256   string    `json:"sha256,omitempty" doc:"SHA-256 of the complete body in hex, if only its beginning was kept" example:"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"`
	Names    []string  `json:"header_names" doc:"the names of its headers" example:"Content-Type"`
}

func describeRejected(r *quarantine.Request) RejectedRequest {
	names := slices.AppendSeq([]string{}, maps.Keys(r.Header))
	slices.Sort(names)
	return RejectedRequest{
		ID: strconv.FormatUint(r.Seq, 10), Received: r.Received, Reason: r.Reason, Method: r.Method,
		Query: attempt.MaskQuery(r.Query), Remote: r.Remote, Size: r.Size, BodyKept: !r.NoBody, SHA256: r.Sum, Names: names,
	}
}

// RejectedPage is one page of a list of rejected requests.
type RejectedPage struct {
	Items      []RejectedRequest `json:"items"`
	NextCursor string            `json:"next_cursor" doc:"cursor of the next page; empty on the last page"`
}

type rejectedPageOutput struct{ Body RejectedPage }

func (s *Server) listRejected(ctx context.Context, in *listRejectedInput) (*rejectedPageOutput, error) {
	if _, err := s.source(in.Name); err != nil {
		return nil, err
	}
	mark := mark("rejected", in.Name, in.Reason, in.Since, in.Until)
	q, fields := rejectedQuery(in.Name, in.Reason, in.Since, in.Until)
	var ok bool
	if q.Cursor, ok = openCursor(in.Cursor, mark); !ok {
		fields = append(fields, badCursor)
	}
	if len(fields) > 0 {
		return nil, invalid(fields...)
	}
	q.Limit = in.Limit
	found, next, err := s.rejected.List(ctx, q)
	if errors.Is(err, paging.ErrBadCursor) {
		return nil, invalid(badCursor)
	}
	if err != nil {
		return nil, err
	}
	page := RejectedPage{Items: make([]RejectedRequest, len(found)), NextCursor: sealCursor(next, mark)}
	for i := range found {
		page.Items[i] = describeRejected(&found[i])
	}
	return &rejectedPageOutput{page}, nil
}

func rejectedQuery(source, reason, since, until string) (rejected.Query, []FailureField) {
	var times deliveries.Query
	f := FilterParams{Since: since, Until: until}
	fields := f.apply(&times, time.Now())
	return rejected.Query{Source: source, Reason: reason, Since: times.Since, Until: times.Until}, fields
}

type rejectedInput struct {
	SourceParam
	ID string `path:"id" doc:"the rejected request's id" example:"17"`
}

// place returns the request's place in the stream.
func (s *Server) place(in *rejectedInput) (uint64, error) {
	if _, err := s.source(in.Name); err != nil {
		return 0, err
	}
	seq, ok := parseRejectedID(in.ID)
	if !ok {
		return 0, rejected.ErrNotFound
	}
	return seq, nil
}

func parseRejectedID(id string) (seq uint64, ok bool) {
	seq, err := strconv.ParseUint(id, 10, 62)
	return seq, err == nil && seq > 0
}

// RejectedDetail is a request that did not verify, whole.
type RejectedDetail struct {
	RejectedRequest
	Headers map[string][]string `json:"headers" doc:"its headers; <secret> for hidden credentials"`
	EventBody
}

type rejectedOutput struct{ Body RejectedDetail }

func (s *Server) getRejected(ctx context.Context, in *rejectedInput) (*rejectedOutput, error) {
	seq, err := s.place(in)
	if err != nil {
		return nil, err
	}
	r, err := s.rejected.Get(ctx, in.Name, seq)
	if err != nil {
		return nil, err
	}
	mask(r.Header, r.Credentials...)
	return &rejectedOutput{RejectedDetail{
		RejectedRequest: describeRejected(&r), Headers: r.Header, EventBody: ShowBody(r.Body, maxShown),
	}}, nil
}

func (s *Server) removeRejected(ctx context.Context, in *rejectedInput) (*struct{}, error) {
	seq, err := s.place(in)
	if err != nil {
		return nil, err
	}
	return nil, s.rejected.Drop(ctx, in.Name, seq)
}

// RejectedChoice chooses rejected requests of a source.
type RejectedChoice struct {
	IDs    []string `json:"ids,omitempty" minItems:"1" maxItems:"1000" doc:"ids of rejected requests; unknown ids are ignored" example:"17"`
	Since  string   `json:"since,omitempty" doc:"only requests since this time (RFC 3339), or from the last period, such as 24h" example:"24h"`
	Until  string   `json:"until,omitempty" doc:"only requests before this time (RFC 3339), or older than a period" example:"2026-01-02T15:04:05Z"`
	Reason string   `json:"reason,omitempty" maxLength:"64" doc:"the reason for the rejection" example:"bad_signature"`
	Cursor string   `json:"cursor,omitempty" doc:"next_cursor of the previous response"`
}

// query checks the choice.
func (c *RejectedChoice) query(source string) (rejected.Query, error) {
	q, fields := rejectedQuery(source, c.Reason, c.Since, c.Until)
	if len(c.IDs) > 0 && cmp.Or(c.Since, c.Until, c.Reason) != "" {
		fields = append(fields, FailureField{Field: "ids", Message: "can't be combined with since, until or reason"})
	}
	for i, id := range c.IDs {
		seq, ok := parseRejectedID(id)
		if !ok {
			fields = append(fields, FailureField{Field: fmt.Sprintf("ids[%d]", i), Message: "is not a rejected request's id"})
		}
		q.IDs = append(q.IDs, seq)
	}
	if q.Cursor = c.Cursor; len(fields) > 0 {
		return q, invalid(fields...)
	}
	return q, nil
}

type retryRejectedInput struct {
	SourceParam
	Body RejectedChoice
}

// RetriedRejected answers a retry of rejected requests.
type RetriedRejected struct {
	Verified   int            `json:"verified" doc:"number of requests that passed and are stored" example:"3"`
	Refused    map[string]int `json:"refused" doc:"number of requests that failed again, by reason"`
	NextCursor string         `json:"next_cursor" doc:"cursor for the next request; empty when all are done"`
}

type retryRejectedOutput struct{ Body RetriedRejected }

func (s *Server) retryRejected(ctx context.Context, in *retryRejectedInput) (*retryRejectedOutput, error) {
	if s.reverify == nil { // such a process may know no sources
		return nil, errNotReceiving
	}
	if _, err := s.source(in.Name); err != nil {
		return nil, err
	}
	q, err := in.Body.query(in.Name)
	if err != nil {
		return nil, err
	}
	done, err := s.rejected.Reverify(ctx, q, s.reverify)
	if errors.Is(err, paging.ErrBadCursor) {
		return nil, invalid(badCursor)
	}
	if err != nil {
		return nil, err
	}
	s.log.Info("rejected requests verified again", "source", in.Name, "verified", done.Verified, "refused", done.Refused)
	return &retryRejectedOutput{RetriedRejected{Verified: done.Verified, Refused: done.Refused, NextCursor: done.Next}}, nil
}
