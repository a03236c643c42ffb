package sources

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"jethook/consume/admin/message"
	"jethook/consume/admin/operation"
	"jethook/consume/attempt"
	"jethook/consume/rejected"
	"jethook/publish/quarantine"
)

func (o *Operations) rejectedRoutes() {
	const (
		all = "/api/v1/sources/{name}/rejected"
		one = all + "/{id}"
	)
	operation.Register(o.api, huma.Operation{
		OperationID: "list-rejected", Method: http.MethodGet, Path: all, Tags: []string{"sources"},
		Summary: "List rejected requests",
		Description: "Requests that failed verification, newest first, without bodies. Only some of a burst are kept, and the oldest are removed first. A page may be short or " +
			"empty although more follow; continue while next_cursor is not empty.",
		Errors: []int{http.StatusNotFound},
	}, operation.Timeout, o.listRejected)
	operation.Register(o.api, huma.Operation{
		OperationID: "get-rejected", Method: http.MethodGet, Path: one, Tags: []string{"sources"},
		Summary:     "Get a rejected request",
		Description: "Returns its headers without credentials, and its body, or the beginning of a body that was too large to keep.",
		Errors:      []int{http.StatusNotFound},
	}, operation.Timeout, o.getRejected)
	operation.Register(o.api, huma.Operation{
		OperationID: "remove-rejected", Method: http.MethodDelete, Path: one, Tags: []string{"sources"},
		Summary:     "Remove a rejected request permanently",
		Description: "It can no longer be verified again.",
		Errors:      []int{http.StatusNotFound},
	}, operation.Timeout, o.removeRejected)
	operation.Register(o.api, huma.Operation{
		OperationID: "retry-rejected", Method: http.MethodPost, Path: "/api/v1/sources/{name}/retry", Tags: []string{"sources"},
		Summary: "Verify rejected requests again",
		Description: "Verifies with the current secrets, as of the time each request arrived. Requests that pass are stored as if they arrived now, and are no longer rejected. " +
			"Select them by ids, or else by since, until, and reason; without any of these, all requests of the source are verified. One request handles as " +
			"many as it can in a few seconds; continue with cursor while next_cursor is not empty. An interrupted request can be repeated. " +
			"Only processes that receive webhooks can do this (409, not_receiving).",
		Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, operation.BulkTimeout, o.retryRejected)
}

type listRejectedInput struct {
	SourceParam
	operation.PageParams
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

func (o *Operations) listRejected(ctx context.Context, in *listRejectedInput) (*operation.Answer[RejectedPage], error) {
	if _, err := o.source(in.Name); err != nil {
		return nil, err
	}
	mark := operation.Mark("rejected", in.Name, in.Reason, in.Since, in.Until)
	q, fields := rejectedQuery(in.Name, in.Reason, in.Since, in.Until)
	found, next, err := operation.Page(in.Cursor, mark, fields, func(cursor string) ([]quarantine.Request, string, error) {
		q.Limit, q.Cursor = in.Limit, cursor
		return o.rejected.List(ctx, q)
	})
	if err != nil {
		return nil, err
	}
	page := RejectedPage{Items: make([]RejectedRequest, len(found)), NextCursor: next}
	for i := range found {
		page.Items[i] = describeRejected(&found[i])
	}
	return &operation.Answer[RejectedPage]{Body: page}, nil
}

func rejectedQuery(source, reason, since, until string) (rejected.Query, []operation.FailureField) {
	from, to, fields := operation.Times(since, until)
	return rejected.Query{Source: source, Reason: reason, Since: from, Until: to}, fields
}

type rejectedInput struct {
	SourceParam
	ID string `path:"id" doc:"the rejected request's id" example:"17"`
}

// place returns the request's place in the stream.
func (o *Operations) place(in *rejectedInput) (uint64, error) {
	if _, err := o.source(in.Name); err != nil {
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
	message.EventBody
}

func (o *Operations) getRejected(ctx context.Context, in *rejectedInput) (*operation.Answer[RejectedDetail], error) {
	seq, err := o.place(in)
	if err != nil {
		return nil, err
	}
	r, err := o.rejected.Get(ctx, in.Name, seq)
	if err != nil {
		return nil, err
	}
	message.Mask(r.Header, r.Credentials...)
	return &operation.Answer[RejectedDetail]{Body: RejectedDetail{
		RejectedRequest: describeRejected(&r), Headers: r.Header, EventBody: message.ShowBody(r.Body, message.MaxShown),
	}}, nil
}

func (o *Operations) removeRejected(ctx context.Context, in *rejectedInput) (*struct{}, error) {
	seq, err := o.place(in)
	if err != nil {
		return nil, err
	}
	return nil, o.rejected.Drop(ctx, in.Name, seq)
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
		fields = append(fields, operation.FailureField{Field: "ids", Message: "can't be combined with since, until or reason"})
	}
	for i, id := range c.IDs {
		seq, ok := parseRejectedID(id)
		if !ok {
			fields = append(fields, operation.FailureField{Field: fmt.Sprintf("ids[%d]", i), Message: "is not a rejected request's id"})
		}
		q.IDs = append(q.IDs, seq)
	}
	if q.Cursor = c.Cursor; len(fields) > 0 {
		return q, operation.Invalid(fields...)
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

func (o *Operations) retryRejected(ctx context.Context, in *retryRejectedInput) (*operation.Answer[RetriedRejected], error) {
	if o.reverify == nil { // such a process may know no sources
		return nil, errNotReceiving
	}
	if _, err := o.source(in.Name); err != nil {
		return nil, err
	}
	q, err := in.Body.query(in.Name)
	if err != nil {
		return nil, err
	}
	done, err := o.rejected.Reverify(ctx, q, o.reverify)
	if err != nil {
		return nil, err
	}
	o.log.Info("rejected requests verified again", "source", in.Name, "verified", done.Verified, "refused", done.Refused)
	return &operation.Answer[RetriedRejected]{Body: RetriedRejected{Verified: done.Verified, Refused: done.Refused, NextCursor: done.Next}}, nil
}
