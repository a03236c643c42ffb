package connection

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
)

// PermissionError says what a login may not do, by the patterns that it should be allowed.
type PermissionError struct {
	Publish, Subscribe []string
}

// Error names each subject, and where the manual has all that are needed.
func (e *PermissionError) Error() string {
	var may []string
	for _, s := range e.Publish {
		may = append(may, "publish to "+s)
	}
	for _, s := range e.Subscribe {
		may = append(may, "subscribe to "+s)
	}
	return "the NATS login lacks a permission: it may not " + strings.Join(may, ", may not ") +
		"; allow it what the account file of 'jethook help nats' does"
}

// Unwrap makes it a violation to [errors.Is].
func (*PermissionError) Unwrap() error { return nats.ErrPermissionViolation }

var violation = regexp.MustCompile(`Permissions Violation for (Publish|Subscription) to "([^"]+)"`)

// denied reads what the server said when it refused a message or a subscription.
func denied(err error) (*PermissionError, bool) {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return nil, false
	}
	said := violation.FindStringSubmatch(err.Error())
	switch {
	case said == nil:
		return nil, false
	case said[1] == "Publish":
		return &PermissionError{Publish: []string{family(said[2])}}, true
	default:
		return &PermissionError{Subscribe: []string{family(said[2])}}, true
	}
}

// family is the pattern of subjects that a login is allowed as one: there are as many subjects as deliveries.
func family(subject string) string {
	tokens := strings.Split(subject, ".")
	keep := 2 // such as webhooks.stripe, jethook.retry, $KV.jethook_endpoints, $JS.ACK
	switch {
	case subject == userInfo:
		return subject
	case tokens[0] == "_INBOX", tokens[0] == "events":
		keep = 1
	case tokens[0] == "$JS" && slices.Contains(tokens, "API"):
		keep = 5 // the request with its stream
	}
	if len(tokens) <= keep {
		return subject
	}
	return strings.Join(tokens[:keep], ".") + ".>"
}

// Denials are the permissions that the connections of a process turned out to lack. The zero value is usable.
type Denials struct {
	mu     sync.Mutex                  // guards what follows
	of     map[string]*PermissionError // by a connection's purpose, since it last logged in
	guards map[*context.CancelCauseFunc]bool
}

// note adds a denial, and reports whether it is a new one.
func (d *Denials) note(purpose string, e *PermissionError) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.of == nil {
		d.of = make(map[string]*PermissionError)
	}
	all := d.of[purpose]
	if all == nil {
		all = &PermissionError{}
		d.of[purpose] = all
	}
	before := len(all.Publish) + len(all.Subscribe)
	all.add(e)
	for cancel := range d.guards {
		(*cancel)(e)
	}
	return len(all.Publish)+len(all.Subscribe) > before
}

func (e *PermissionError) add(other *PermissionError) {
	e.Publish = slices.Compact(slices.Sorted(slices.Values(append(e.Publish, other.Publish...))))
	e.Subscribe = slices.Compact(slices.Sorted(slices.Values(append(e.Subscribe, other.Subscribe...))))
}

// forget drops those of a connection that logs in anew: it may have got what it lacked.
func (d *Denials) forget(purpose string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.of, purpose)
}

// Err is a [PermissionError] of all that connections for these purposes lack, of any if none is named, or nil.
func (d *Denials) Err(purposes ...string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err(purposes)
}

func (d *Denials) err(purposes []string) error {
	var sum PermissionError
	for purpose, e := range d.of {
		if len(purposes) == 0 || slices.Contains(purposes, purpose) {
			sum.add(e)
		}
	}
	if len(sum.Publish)+len(sum.Subscribe) == 0 {
		return nil
	}
	return &sum
}

// Guard returns a context that ends with a denial, so that nobody waits for the answer to a request that the server dropped.
// release must be called.
func (d *Denials) Guard(ctx context.Context) (guarded context.Context, release func()) {
	guarded, cancel := context.WithCancelCause(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.err(nil); err != nil {
		cancel(err)
	}
	if d.guards == nil {
		d.guards = make(map[*context.CancelCauseFunc]bool)
	}
	d.guards[&cancel] = true
	return guarded, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.guards, &cancel)
		cancel(nil)
	}
}
