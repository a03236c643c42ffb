package report

import "sync"

// Other is the value of a label that stands for all that have no value of their own.
const Other = "other"

// Names bounds how many values a label of the metrics has: each value costs the process, and whoever scrapes it, memory.
// Those that come first are named until they are released; the rest share [Other]. It is safe for concurrent use.
type Names struct {
	most int

	mu   sync.Mutex // guards held
	held map[string]struct{}
}

// NewNames returns a set of at most so many names.
func NewNames(most int) *Names { return &Names{most: most, held: make(map[string]struct{})} }

// Claim returns name if it is in the set or there is room for it, and otherwise [Other].
func (n *Names) Claim(name string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, ok := n.held[name]; !ok {
		if len(n.held) >= n.most {
			return Other
		}
		n.held[name] = struct{}{}
	}
	return name
}

// Release makes room for another name.
func (n *Names) Release(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.held, name)
}
