package session

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// Slowdown makes an address wait after failed logins: longer with each, so that no token is found by trying.
type Slowdown struct {
	mu  sync.Mutex // guards all
	all map[netip.Prefix]*failures
}

type failures struct {
	count int
	until time.Time // when the next try is heard
	last  time.Time
}

const (
	freeFailures = 3           // that anyone may make without a wait
	longestWait  = time.Minute // who shares an address with an attacker must get in some time
	forgiven     = 15 * time.Minute
	maxAddresses = 10_000
)

// NewSlowdown returns one that knows of no failures.
func NewSlowdown() *Slowdown { return &Slowdown{all: make(map[netip.Prefix]*failures)} }

// Wait returns how long the address must wait before it is heard.
func (s *Slowdown) Wait(remote string, now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.all[networkOf(remote)]
	if f == nil {
		return 0
	}
	return max(0, f.until.Sub(now))
}

// Failed notes a failure and returns how long the address must wait now.
func (s *Slowdown) Failed(remote string, now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tidy(now)
	key := networkOf(remote)
	f := s.all[key]
	if f == nil {
		f = &failures{}
		s.all[key] = f
	}
	if now.Sub(f.last) > forgiven {
		f.count = 0
	}
	f.count++
	f.last = now
	if over := f.count - freeFailures; over > 0 {
		f.until = now.Add(min(longestWait, time.Second<<min(over-1, 10)))
	}
	return max(0, f.until.Sub(now))
}

// Succeeded forgets the failures of an address.
func (s *Slowdown) Succeeded(remote string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, networkOf(remote))
}

// tidy forgets what is forgiven, and the oldest when there is too much.
func (s *Slowdown) tidy(now time.Time) {
	if len(s.all) < maxAddresses {
		return
	}
	var oldest netip.Prefix
	var at time.Time
	for key, f := range s.all {
		if now.Sub(f.last) > forgiven {
			delete(s.all, key)
		} else if at.IsZero() || f.last.Before(at) {
			oldest, at = key, f.last
		}
	}
	if len(s.all) >= maxAddresses {
		delete(s.all, oldest)
	}
}

// networkOf is the address of a client; of IPv6 the network, of which every host has many addresses.
func networkOf(remote string) netip.Prefix {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return netip.Prefix{}
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Prefix{}
	}
	ip = ip.Unmap().WithZone("")
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	prefix, _ := ip.Prefix(bits)
	return prefix
}
