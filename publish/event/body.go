package event

import (
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"jethook/publish/topology"
)

// Headers of an event whose body is stored aside. Only a webhook's are believed: services publish
// the others.
const (
	HeaderBodySize   = "Jethook-Body-Size"
	headerBodyObject = "Jethook-Body-Object"
	headerBodyDigest = "Jethook-Body-Digest"
	digestPrefix     = "sha256="
)

// SetObject writes the reference to the body, which has so many bytes.
func (e *Event) SetObject(h nats.Header, size int) {
	h[headerBodyObject] = []string{e.Object}
	h[headerBodyDigest] = []string{digestPrefix + e.Digest}
	h[HeaderBodySize] = []string{strconv.Itoa(size)}
}

// ReadObject reads what setObject wrote. It returns false when there is no reference.
func (e *Event) ReadObject(h nats.Header) bool {
	object := h.Get(headerBodyObject)
	size, err := strconv.Atoi(h.Get(HeaderBodySize))
	if object == "" || err != nil || size <= 0 {
		return false
	}
	e.Object, e.Away = object, size
	e.Digest = strings.TrimPrefix(h.Get(headerBodyDigest), digestPrefix)
	return true
}

// maxMargin is how long, at most, an event must outlive a delivery's time for its body to wait with it. It is for clocks
// that differ, processes that are down, and attempts that are put off.
const maxMargin = 24 * time.Hour

// Outlives reports whether the event's stream keeps it for well beyond a time.
func (e *Event) Outlives(k topology.Keeping, t time.Time) bool {
	age, ok := k[topology.StreamOf(e.Subject)]
	return ok && e.InStream && e.Seq != 0 && (age == 0 || t.Before(e.Stored.Add(age-min(age/4, maxMargin))))
}
