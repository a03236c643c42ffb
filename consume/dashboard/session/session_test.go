package session

import (
	"testing"
	"time"

	"jethook/config"
)

// A session ends when it was not used for twelve hours, and after a week at the latest.
func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	const hour = time.Hour
	for _, test := range []struct {
		began, used time.Duration
		open        bool
	}{
		{0, 0, true},
		{12*hour - time.Minute, 12*hour - time.Minute, true},
		{12*hour + time.Minute, 12*hour + time.Minute, false},
		{100 * hour, time.Minute, true},
		{100 * hour, 13 * hour, false},
		{7*24*hour + time.Minute, time.Minute, false},
	} {
		now := time.Now()
		keeper := NewKeeper("", config.NewSecret("a token"), config.Secret{}, nil)
		v := keeper.begin(Admin, now.Add(-test.began))
		v.seen = now.Add(-test.used)
		if _, open := keeper.open(keeper.seal(&v), now); open != test.open {
			t.Errorf("began %s and used %s ago: open %t", test.began, test.used, open)
		}
	}
}
