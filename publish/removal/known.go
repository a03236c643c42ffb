package removal

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"
)

// mostKnown is how many removals are known without reading, in each of two lots.
const mostKnown = 1 << 16

// known are the last subjects of which something was removed, and until when what was stored there is: the time when the
// last one was stored. The zero value is usable.
type known struct {
	mu   sync.Mutex          // guards lots
	lots [2]map[string]int64 // the second is being filled
}

func (k *known) note(subject string, at int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.lots[1]) >= mostKnown {
		k.lots[0], k.lots[1] = k.lots[1], nil
	}
	if k.lots[1] == nil {
		k.lots[1] = make(map[string]int64)
	}
	k.lots[1][subject] = max(at, k.lots[1][subject], k.lots[0][subject])
}

// learn notes what was noted by whoever ran before: of very many, what was stored last.
func (k *known) learn(noted map[string]int64) {
	last := slices.SortedFunc(maps.Keys(noted), func(a, b string) int { return cmp.Compare(noted[a], noted[b]) })
	for _, subject := range last[max(0, len(last)-mostKnown):] {
		k.note(subject, noted[subject])
	}
}

// RemovedUntil returns when the last message was stored on a subject that was removed there with its subject; zero: none, as
// far as this process knows. It knows the last of what it has removed itself, and of what was noted when it began or found
// the connection restored. It reads nothing.
func (rm *Remover) RemovedUntil(subject string) time.Time {
	rm.known.mu.Lock()
	defer rm.known.mu.Unlock()
	at := max(rm.known.lots[0][subject], rm.known.lots[1][subject])
	if at == 0 {
		return time.Time{}
	}
	return time.Unix(0, at)
}
