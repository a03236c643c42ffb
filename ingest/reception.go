package ingest

import (
	"net/netip"

	"golang.org/x/time/rate"

	"jethook/config"
	"jethook/ingest/address"
	"jethook/ingest/clock"
	"jethook/ingest/provider"
	"jethook/ingest/source"
	"jethook/ingest/streak"
)

// reception is a source as it receives: who may send, how much is taken and kept, and what came of it.
type reception struct {
	*source.Source
	networks []netip.Prefix // that may send; none: all
	limiter  *rate.Limiter  // of verified requests; nil: none
	rejected *rate.Limiter  // of rejected requests that are kept

	rejectedBytes *rate.Limiter // of their bodies
	repeats       *rate.Limiter // of duplicates that are logged

	refusals streak.Streak
	hindered streak.Streak // by what strangers can bring about
	astray   streak.Streak // requests for an address that is misspelled
	barred   streak.Strays // from addresses that may not send
	// handshakes are no failures, but as many as whoever sends them likes.
	handshakes streak.Streak
	figures    figures
	clock      clock.Watch
}

// newReceptions prepares every source, with keys of its own, or reports as [config.Problems] everything wrong with all of
// them.
func newReceptions(configured []config.Source, keys func() provider.KeySource) (map[string]*reception, error) {
	sources, err := source.All(configured, keys)
	if err != nil {
		return nil, err
	}
	all := make(map[string]*reception, len(configured))
	for _, c := range configured {
		all[c.Name] = &reception{
			Source:   sources[c.Name],
			networks: c.AllowedIPs,
			limiter:  newLimiter(c.RateLimit),
			rejected: rate.NewLimiter(rejectedPerSecond, rejectedBurst),
			repeats:  rate.NewLimiter(1, repeatsBurst),
		}
	}
	return all, nil
}

// Check returns everything that is wrong with the sources of a server that is to start: what [New] would, and secrets
// that others could guess. New takes those, as a Trial does, since they verify.
func Check(sources []config.Source) config.Problems { return source.Check(sources) }

// Doubts tells of secrets that [Check] finds nothing wrong with, and that are probably not what their operator means.
func Doubts(sources []config.Source) config.Problems { return source.Doubts(sources) }

// allows reports whether an address is in one of the source's networks.
func (src *reception) allows(ip netip.Addr) bool {
	return len(src.networks) == 0 || address.In(src.networks, ip)
}

// UnknownSource returns how many requests were made for sources that do not exist.
func (s *Server) UnknownSource() uint64 { return s.unknown.Count() }
