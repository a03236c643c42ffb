package sources

import (
	"context"

	"jethook/consume/admin/operation"
)

// What follows is for callers in the same process; see [operation.Call].

// RejectedFilter chooses rejected requests of a source as GET /api/v1/sources/{name}/rejected does.
type RejectedFilter struct {
	operation.PageParams
	Source, Reason, Since, Until string
}

// RejectedRequests is GET /api/v1/sources/{name}/rejected.
func (o *Operations) RejectedRequests(ctx context.Context, f *RejectedFilter) (*RejectedPage, error) {
	in := &listRejectedInput{SourceParam: SourceParam{f.Source}, PageParams: f.PageParams, Reason: f.Reason, Since: f.Since, Until: f.Until}
	return operation.Call(ctx, o.api, "list-rejected", operation.Timeout, in, o.listRejected)
}

// RejectedRequest is GET /api/v1/sources/{name}/rejected/{id}.
func (o *Operations) RejectedRequest(ctx context.Context, source, id string) (*RejectedDetail, error) {
	return operation.Call(ctx, o.api, "get-rejected", operation.Timeout, &rejectedInput{SourceParam: SourceParam{source}, ID: id}, o.getRejected)
}

// Reverifies reports whether this process can verify rejected requests again.
func (o *Operations) Reverifies() bool { return o.reverify != nil }

// RetryRejected is POST /api/v1/sources/{name}/retry.
func (o *Operations) RetryRejected(ctx context.Context, source string, c RejectedChoice) (*RetriedRejected, error) {
	in := &retryRejectedInput{SourceParam: SourceParam{source}, Body: c}
	return operation.Call(ctx, o.api, "retry-rejected", operation.BulkTimeout, in, o.retryRejected)
}

// DropRejected is DELETE /api/v1/sources/{name}/rejected/{id}.
func (o *Operations) DropRejected(ctx context.Context, source, id string) error {
	_, err := operation.Perform(ctx, o.api, "remove-rejected", operation.Timeout, &rejectedInput{SourceParam: SourceParam{source}, ID: id}, o.removeRejected)
	return err
}
