package held

import (
	"time"

	"jethook/consume/cursor"
	"jethook/consume/lane"
	"jethook/publish/delivery"
	"jethook/publish/topology"
)

// Lane is an endpoint's lane of jobs.
type Lane = lane.Lane[*Job]

// Job is one delivery that this process works on, a part of a held message.
type Job struct {
	Delivery delivery.Delivery
	Message  *Message
	Epoch    string    // of the record that had yet to say whether it is the cursor's; empty: it is not
	Checked  time.Time // when an outcome of its delivery was last looked for; zero: when its message came
	Copies   bool      // it has room for a large copy

	place    *Places  // in which it has one; nil: it needs none
	releases []func() // of the room that it has, when it ends
}

// Facts are what the job's lane knows of it.
func (j *Job) Facts() lane.Facts {
	f := lane.Facts{
		Stream: j.Message.set.Stream, Size: int64(j.Delivery.BodySize()), Detached: j.Delivery.Detached(), Scheduled: !j.IsFirst(),
	}
	switch {
	case j.Message.set.Cursor:
		f.Origin = lane.Cursor
	case j.IsDue():
		f.Origin = lane.Due
	}
	if j.Delivery.Attempt > 1 || j.Delivery.Why == delivery.WhyRetry || j.Delivery.Why == delivery.WhyAsked {
		f.Class = lane.Retry
	}
	return f
}

// IsFirst reports whether the job's delivery comes from its event and lies nowhere else on the bus: what has waited
// there was due at a time.
func (j *Job) IsFirst() bool { return j.Delivery.Due.IsZero() }

// IsDue reports whether the job came due by the schedule.
func (j *Job) IsDue() bool { return j.Message.set.Stream == topology.StreamDeliveries }

// IsShared reports whether the job is an event that the shared intake, or an ordered endpoint's consumer, brought.
func (j *Job) IsShared() bool { return !j.IsDue() && !j.Message.set.Cursor }

// Key names the record that says whether the job is its endpoint's cursor's.
func (j *Job) Key() cursor.Key {
	return cursor.Key{Endpoint: j.Delivery.Endpoint, Stream: j.Message.set.Stream}
}

// Place is where the job's delivery lies in DELIVERIES; 0: it does not.
func (j *Job) Place() uint64 {
	if j.IsDue() {
		return j.Message.Seq
	}
	return 0
}

// OnRelease lets release be called when the job's room is released; nil: nothing.
func (j *Job) OnRelease(release func()) {
	if release != nil {
		j.releases = append(j.releases, release)
	}
}

// Release makes room for the next job.
func (j *Job) Release() {
	for _, release := range j.releases {
		release()
	}
	if j.place != nil {
		j.place.release()
	}
}
