package backup

import (
	"io"
	"time"
)

// tellEvery is how often a long copy says how far it is.
const tellEvery = 5 * time.Second

// telling is a reader that tells now and then how much was read.
type telling struct {
	io.Reader
	tell func(bytes int64)
	n    int64
	next time.Time
}

func newTelling(r io.Reader, tell func(bytes int64)) *telling {
	return &telling{Reader: r, tell: tell, next: time.Now().Add(tellEvery)}
}

func (t *telling) Read(p []byte) (int, error) {
	n, err := t.Reader.Read(p)
	t.n += int64(n)
	if now := time.Now(); !now.Before(t.next) {
		t.next = now.Add(tellEvery)
		t.tell(t.n)
	}
	return n, err
}
