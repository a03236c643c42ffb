// Package auditing is the admin API's operations on the audit trail: listing and verifying it. What puts entries into it is the
// package operation. Type names are those of the OpenAPI document.
package auditing

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"jethook/consume/admin/operation"
	"jethook/publish"
	"jethook/publish/audit"
	"jethook/publish/query"
)

// Operations are the operations on the audit trail.
type Operations struct {
	api *operation.API
	bus *publish.Bus
}

// New returns the operations on the audit trail, without routes.
func New(api *operation.API) *Operations {
	return &Operations{api: api, bus: api.Bus}
}

// Routes registers the operations.
func (o *Operations) Routes() {
	operation.Register(o.api, huma.Operation{
		OperationID: "list-audit", Method: http.MethodGet, Path: "/api/v1/audit", Tags: []string{"audit"},
		Summary: "List what operators did",
		Description: "Newest first. An action has two entries: one before it happens, without a result, and one after, whose of is the id of the first. " +
			"A page may be short or empty although more follow; continue while next_cursor is not empty.",
	}, operation.Timeout, o.listAudit)
	operation.Register(o.api, huma.Operation{
		OperationID: "verify-audit", Method: http.MethodGet, Path: "/api/v1/audit/verify", Tags: []string{"audit"},
		Summary:     "Verify the audit trail",
		Description: "Walks the chain of hashes from the oldest entry that is kept, and names the first break.",
	}, operation.BulkTimeout, o.verifyAudit)
}

// AuditParams choose entries of the audit trail.
type AuditParams struct {
	Since    string `query:"since" doc:"a time (RFC 3339), or a period before now, such as 24h" example:"24h"`
	Until    string `query:"until" doc:"a time (RFC 3339), or a period before now; exclusive" example:"2026-01-02T15:04:05Z"`
	Actor    string `query:"actor" doc:"only by the token with this name" example:"admin"`
	Action   string `query:"action" doc:"only this action, or all of a noun" example:"endpoint.update"`
	Endpoint string `query:"endpoint" doc:"only about the endpoint with this id, or its deliveries" example:"ep_9zk3"`
}

type listAuditInput struct {
	operation.PageParams
	AuditParams
}

// AuditItem is one entry of the audit trail.
type AuditItem struct {
	ID     string    `json:"id" doc:"the entry's place in the trail" example:"42"`
	Of     string    `json:"of,omitempty" doc:"the id of the action's first entry; absent: this is it" example:"41"`
	Time   time.Time `json:"time" example:"2026-01-02T15:04:05Z"`
	Action string    `json:"action" doc:"noun and verb" example:"endpoint.update"`
	Target string    `json:"target,omitempty" doc:"id of what it is about" example:"ep_9zk3"`
	Actor  string    `json:"actor" doc:"name of the token" example:"admin"`
	Remote string    `json:"remote,omitempty" doc:"address of the client" example:"10.1.2.3"`
	Agent  string    `json:"agent,omitempty" doc:"User-Agent of the client" example:"jethook/v1.2.3"`

	Fields  []string                `json:"fields,omitempty" doc:"names of the fields that were given" example:"url"`
	Changes map[string]audit.Change `json:"changes,omitempty" doc:"fields that hold no secret, before and after"`
	Result  string                  `json:"result,omitempty" doc:"ok, or the code of the error; absent before the action" example:"ok"`
	Hash    string                  `json:"hash" doc:"SHA-256 of the entry" example:"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"`
}

// AuditPage is one page of the audit trail.
type AuditPage struct {
	Items      []AuditItem `json:"items"`
	NextCursor string      `json:"next_cursor" doc:"cursor of the next page; empty on the last page"`
}

func (o *Operations) listAudit(ctx context.Context, in *listAuditInput) (*operation.Answer[AuditPage], error) {
	since, until, fields := operation.Times(in.Since, in.Until)
	fields = append(operation.CheckEndpoint(in.Endpoint), fields...)
	mark := operation.Mark("audit", in.AuditParams)
	cursor, ok := operation.OpenCursor(in.Cursor, mark)
	before, err := uint64(0), error(nil)
	if ok && cursor != "" {
		before, err = strconv.ParseUint(cursor, 36, 64)
	}
	if !ok || err != nil || cursor != "" && before == 0 {
		fields = append(fields, operation.BadCursor)
	}
	if len(fields) > 0 {
		return nil, operation.Invalid(fields...)
	}
	page, next, err := o.auditPage(ctx, query.Audit().Within(since, until), &in.AuditParams, before, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &operation.Answer[AuditPage]{Body: AuditPage{Items: page}}
	if next != 0 {
		out.Body.NextCursor = operation.SealCursor(strconv.FormatUint(next, 36), mark)
	}
	return out, nil
}

// auditTime bounds how long one call looks for what matches.
const auditTime = 2 * time.Second

// auditPage returns chosen entries before a place, and the place to go on before; 0 when there are no more.
func (o *Operations) auditPage(ctx context.Context, entries query.Selection, want *AuditParams, before uint64, limit int) (items []AuditItem, next uint64, err error) {
	items = []AuditItem{}
	for began := time.Now(); ; {
		found, end, err := o.bus.Query().Reverse(ctx, entries, before, limit)
		if err != nil {
			return nil, 0, err
		}
		for i := range found {
			if len(items) == limit {
				return items, before, nil
			}
			before = found[i].Seq
			if e, err := audit.EntryOf(&found[i]); err == nil && want.match(&e) {
				items = append(items, describeAudit(&found[i], &e))
			}
		}
		if end == 0 {
			return items, 0, nil
		}
		if before = end; len(items) == limit || time.Since(began) > auditTime {
			return items, before, nil
		}
	}
}

func (p *AuditParams) match(e *audit.Entry) bool {
	return (p.Actor == "" || e.Actor == p.Actor) &&
		(p.Action == "" || e.Action == p.Action || strings.HasPrefix(e.Action, p.Action+".")) &&
		(p.Endpoint == "" || e.Target == p.Endpoint || strings.HasPrefix(e.Target, p.Endpoint+"."))
}

func describeAudit(s *query.Stored, e *audit.Entry) AuditItem {
	item := AuditItem{
		ID: strconv.FormatUint(s.Seq, 10), Time: e.Time, Action: e.Action, Target: e.Target, Actor: e.Actor, Remote: e.Remote, Agent: e.Agent,
		Fields: e.Fields, Changes: e.Changes, Result: e.Result, Hash: audit.Hash(s.Data),
	}
	if e.Of != 0 {
		item.Of = strconv.FormatUint(e.Of, 10)
	}
	return item
}

func (o *Operations) verifyAudit(ctx context.Context, _ *struct{}) (*operation.Answer[audit.Report], error) {
	report, err := o.bus.AuditTrail().Verify(ctx)
	if err != nil {
		return nil, err
	}
	return &operation.Answer[audit.Report]{Body: report}, nil
}

// List is GET /api/v1/audit, for a caller in the same process.
func (o *Operations) List(ctx context.Context, page operation.PageParams, want AuditParams) (*AuditPage, error) {
	return operation.Call(ctx, o.api, "list-audit", operation.Timeout, &listAuditInput{PageParams: page, AuditParams: want}, o.listAudit)
}
