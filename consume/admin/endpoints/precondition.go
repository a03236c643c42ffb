package endpoints

import (
	"fmt"
	"strings"

	"jethook/consume/endpoint"
)

// An endpoint's ETag is its edition and its revision, "3-41". If-Match guards against lost updates: it holds when
// the edition is the one that the client saw. What Jethook notes in an endpoint by itself (that it fails, that
// it was disabled) changes the revision alone: it overwrites nothing that an operator wrote, and must not refuse
// him the change that mends it. If-None-Match asks whether anything is new, and compares the whole.

// PreconditionParam makes a change depend on what the client has seen.
type PreconditionParam struct {
	IfMatch string `header:"If-Match" doc:"the ETag that the change is based on; the response is 412 if the endpoint has changed since, other than by Jethook itself"`
}

// etag is the entity tag of e.
func etag(e *endpoint.Endpoint) string { return fmt.Sprintf(`"%d-%d"`, e.Edition, e.Revision) }

// check returns errPrecondition unless the client saw the edition that e is.
func (p *PreconditionParam) check(e *endpoint.Endpoint) error {
	edition, _, _ := strings.Cut(etag(e), "-")
	if p.IfMatch == "" || anyTag(p.IfMatch, func(tag string) bool { return strings.HasPrefix(tag, edition+"-") }) {
		return nil
	}
	return errPrecondition
}

// isKnown reports whether an If-None-Match has e as it is. A weak tag is as good, as RFC 9110 has it.
func isKnown(ifNoneMatch string, e *endpoint.Endpoint) bool {
	return anyTag(ifNoneMatch, func(tag string) bool { return strings.TrimPrefix(tag, "W/") == etag(e) })
}

// anyTag reports whether a list of entity tags is *, or has one that fits.
func anyTag(list string, fits func(tag string) bool) bool {
	for tag := range strings.SplitSeq(list, ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || tag != "" && fits(tag) {
			return true
		}
	}
	return false
}
