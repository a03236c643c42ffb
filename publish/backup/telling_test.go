package backup

import (
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// slow is a reader of one byte a second.
type slow struct{ left int }

func (s *slow) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	time.Sleep(time.Second)
	s.left--
	return copy(p, "x"), nil
}

// A long copy says every five seconds how far it is.
func TestTelling(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var told []int64
		if _, err := io.Copy(io.Discard, newTelling(&slow{12}, func(n int64) { told = append(told, n) })); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(told, []int64{5, 10}) {
			t.Errorf("told %v", told)
		}
	})
}
