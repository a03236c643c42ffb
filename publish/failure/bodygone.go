package failure

import "errors"

// ErrBodyGone means that an event, whose body a delivery needs, is not in its stream any more.
var ErrBodyGone = errors.New("the event, which has the body, is not in its stream any more")
