package recovery

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"jethook/publish/seal"
)

const (
	// maxRecoveryBytes bounds a recovery's record before anything of it is read.
	maxRecoveryBytes = 64 << 10
	// maxClockGap is by how much the clocks of two machines may differ. A lease that ends later than one that begins
	// there and now was made by nobody.
	maxClockGap = time.Hour
)

// decodeRecovery reads a record of the bucket of the recoveries. Anybody who reaches the bucket may have written it,
// so it counts only when this package could have. It holds no secret and is not sealed: who can change it can make an
// endpoint get again what it got before, and no more. The error wraps [publish.ErrUnreadable].
func decodeRecovery(key string, value []byte, revision uint64) (job recoveryJob, err error) {
	if len(value) > maxRecoveryBytes {
		err = fmt.Errorf("it is larger than %d bytes", maxRecoveryBytes)
	} else if json.Unmarshal(value, &job) != nil {
		err = errors.New("it is not JSON of the right form")
	} else {
		err = job.check(key, time.Now())
	}
	if err != nil {
		return recoveryJob{}, fmt.Errorf("recovery %s: %w: %w", key, seal.ErrUnreadable, err)
	}
	job.key, job.revision = key, revision
	return job, nil
}

func (job *recoveryJob) check(key string, now time.Time) error {
	phase := job.Phase == PhaseDead || job.Phase == PhaseWaiting || job.Phase == PhaseMissed
	switch {
	case job.ID == "" || len(job.ID) > maxRecoveryID || endpointOf(job.ID) != job.Endpoint:
		return errors.New("its id is not one of its endpoint's")
	case key != job.Endpoint && key != job.Endpoint+"."+job.ID:
		return errors.New("its key is another recovery's")
	case job.State != Running && job.State != Done && job.State != Failed && job.State != Cancelled:
		return errors.New("it has no state")
	case !phase:
		return errors.New("it has no phase")
	case job.Place.Scan < 0:
		return errors.New("its place is before the beginning")
	case job.Started.IsZero() || job.Until.IsZero():
		return errors.New("it has no time")
	case job.Lease.After(now.Add(recoveryLease + maxClockGap)):
		return errors.New("its lease ends too late")
	}
	return nil
}
