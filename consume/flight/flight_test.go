package flight_test

import (
	"testing"
	"testing/synctest"
	"time"

	"jethook/consume/flight"
)

// A stop lets no attempt begin, lets those that run end, and waits for what is being stored.
func TestStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := flight.New()
		landed := false
		f.Go(func() {
			<-f.Context().Done()
			landed = true
		})
		if f.IsStopping() {
			t.Error("it stops before it was told to")
		}
		f.Stop()
		<-f.Stopped()
		if err := f.Context().Err(); !f.IsStopping() || err != nil {
			t.Errorf("stopping: %t, and what runs is cut off: %v", f.IsStopping(), err)
		}
		time.AfterFunc(time.Second, f.CutOff)
		f.Wait()
		if !landed {
			t.Error("it did not wait for what had to end")
		}
		f.CutOff()
	})
}

// What is stored after the attempts were cut off has a little time, and no more.
func TestBriefly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := flight.New()
		f.CutOff()
		ctx, cancel := f.Briefly()
		defer cancel()
		if err := ctx.Err(); err != nil {
			t.Errorf("there is no time: %v", err)
		}
		began := time.Now()
		<-ctx.Done()
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("it has %s", took)
		}
	})
}
