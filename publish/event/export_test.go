package event

// TraceparentOf is the trace of an event that was published without one.
var TraceparentOf = traceparentOf
