package held_test

import (
	"testing"
	"testing/synctest"
	"time"

	"jethook/consume/held"
)

// A delivery waits for a place while places become free, and no longer once they do not.
func TestPlaces(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		places := held.NewPlaces(1)
		first, second, third := &held.Job{}, &held.Job{}, &held.Job{}
		if !places.Take(t.Context(), first) {
			t.Fatal("a free place was refused")
		}
		time.AfterFunc(100*time.Millisecond, first.Release)
		if began := time.Now(); !places.Take(t.Context(), second) || time.Since(began) != 100*time.Millisecond {
			t.Errorf("it got a place after %s", time.Since(began))
		}
		if began := time.Now(); places.Take(t.Context(), third) || time.Since(began) != 500*time.Millisecond {
			t.Errorf("it waited for %s", time.Since(began))
		}
		time.Sleep(time.Millisecond)
		if began := time.Now(); places.Take(t.Context(), third) || time.Since(began) != 0 {
			t.Errorf("it waited for %s behind those that do not move", time.Since(began))
		}
		second.Release()
		if !places.Take(t.Context(), third) {
			t.Error("a free place was refused")
		}
	})
}

// A job's room is released when it ends: its bodies, and its place.
func TestRelease(t *testing.T) {
	t.Parallel()
	places := held.NewPlaces(1)
	j := &held.Job{}
	if !places.Take(t.Context(), j) {
		t.Fatal("a free place was refused")
	}
	released := 0
	j.OnRelease(func() { released++ })
	j.OnRelease(nil)
	j.Release()
	if released != 1 || !places.Take(t.Context(), &held.Job{}) {
		t.Errorf("released %d times", released)
	}
}
