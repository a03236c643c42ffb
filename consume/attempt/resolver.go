package attempt

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"time"
)

// resolver tells a name that can't be looked up from a machine that can look up none.
type resolver struct {
	*net.Resolver

	mu      sync.Mutex // guards what follows, and makes those who ask wait for one answer
	asked   time.Time
	answers bool
}

const (
	// askTime is how long a resolver may take to answer for the root, which it knows or asks the nearest server for.
	askTime = 2 * time.Second
	// askedFor is how long an answer counts.
	askedFor = 5 * time.Second
)

// isSilent reports whether no name server answers anything at this moment. It asks for the servers of the root: any answer
// will do, also an error.
func (r *resolver) isSilent() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.asked) < askedFor {
		return !r.answers
	}
	ctx, cancel := context.WithTimeout(context.Background(), askTime)
	defer cancel()
	_, err := r.LookupNS(ctx, ".")
	r.asked, r.answers = time.Now(), err == nil || isAnswer(err)
	return !r.answers
}

// isAnswer reports whether a server gave the error: package net has no types for these.
func isAnswer(err error) bool {
	dns, ok := errors.AsType[*net.DNSError](err)
	if !ok || dns.IsTimeout {
		return false
	}
	for _, text := range []string{"server misbehaving", "lame referral", "no answer from DNS server", "unmarshal", "invalid DNS response"} {
		if strings.Contains(dns.Err, text) {
			return true
		}
	}
	return dns.IsNotFound
}
