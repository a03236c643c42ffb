// Package moving is the mark of a store that is being moved to a cluster, or has been, and how the processes on that store
// heed it: they go on receiving, and change nothing else.
//
// The mark is one message of a stream of its own, which a move makes on the embedded server. No backup holds it. It is replaced
// only by who knows the one before, so that a move which was taken back, or begun anew, can't go on.
package moving
