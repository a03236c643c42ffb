package ingest

import (
	"math"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/time/rate"

	"jethook/config"
)

// addressOf returns how the address of whoever sent a request is found: of the connection, or behind trusted proxies
// the one that the last of them has put into X-Forwarded-For. What stands further left there, anyone can have
// written.
func addressOf(proxies []netip.Prefix) echo.IPExtractor {
	if len(proxies) == 0 {
		return echo.ExtractIPDirect()
	}
	trust := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, p := range proxies {
		bits := p.Addr().BitLen()
		trust = append(trust, echo.TrustIPRange(&net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), bits)}))
	}
	return echo.ExtractIPFromXFFHeader(trust...)
}

// allows reports whether an address is in one of the source's networks.
func (src *source) allows(address string) bool {
	ip, err := netip.ParseAddr(address)
	ip = ip.Unmap()
	return err == nil && slices.ContainsFunc(src.networks, func(n netip.Prefix) bool { return n.Contains(ip) })
}

// leastBurst is how many requests may always come at once, unless the limit is lower: senders send in bursts.
const leastBurst = 10

// newLimiter returns a limiter for r, or nil for none. At once it lets a second's worth pass, or leastBurst.
func newLimiter(r config.Rate) *rate.Limiter {
	if r.Count == 0 {
		return nil
	}
	perSecond := float64(r.Count) / r.Per.Seconds()
	burst := min(r.Count, max(leastBurst, int(math.Ceil(perSecond))))
	return rate.NewLimiter(rate.Limit(perSecond), burst)
}

// tooFastError is a verified request beyond the source's rate limit.
type tooFastError struct{ wait time.Duration }

func (e *tooFastError) Error() string { return "over the source's rate limit" }

// admit counts a verified request against the source's limit. Strangers' requests don't count: they could use up
// what the sender needs.
func (src *source) admit(now time.Time) error {
	if src.limiter == nil {
		return nil
	}
	r := src.limiter.ReserveN(now, 1)
	if wait := r.DelayFrom(now); wait > 0 {
		r.CancelAt(now)
		return &tooFastError{wait}
	}
	return nil
}
