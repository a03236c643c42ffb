// Package failure names the ways in which the store fails, so that callers can answer each differently.
//
// Every error of the store that leaves publish and its rooms is of one of these classes; test with errors.Is. The package
// does not decide what to do about a failure.
package failure

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
)

// Errors of a publish, told apart because callers answer differently. Test with errors.Is.
var (
	// ErrUnavailable means the store could not be reached or did not answer in time. The event may or may not
	// be stored; publishing it again is safe, since its id makes the second copy a duplicate.
	ErrUnavailable = errors.New("store unavailable")
	// ErrFull means the store took nothing for want of room.
	ErrFull = errors.New("store full")
	// ErrBusy means too much already waits to be stored in this process.
	ErrBusy = errors.New("too many events wait to be stored")
	// ErrTooLarge means the message exceeds what the store takes.
	ErrTooLarge = errors.New("message too large for the store")
	// ErrConflict means that what was to be replaced has changed meanwhile.
	ErrConflict = errors.New("changed meanwhile")
	// ErrRefused means the store refused the message for another reason, which the error tells.
	ErrRefused = errors.New("store refused the message")
)

// ErrNotFound means that there is no such message.
var ErrNotFound = errors.New("not found")

// Errors of restores. Test with errors.Is.
var (
	// ErrOccupied means that there are streams already, which a restore would replace.
	ErrOccupied = errors.New("streams already exist, and a restore replaces them")
	// ErrUnfinished means that a restore was begun and has not ended.
	ErrUnfinished = errors.New("a restore did not finish; run 'jethook restore' again, or the 'jethook move' that it is part of")
	// ErrInUse means that another process has the data directory.
	ErrInUse = errors.New("is another jethook using it?")
	// ErrRunning means that processes work on the streams that are to be restored.
	ErrRunning = errors.New("jethook is running; stop all its processes before a restore")
)

// Errors of moves. Test with errors.Is.
var (
	// ErrMoving means that nothing but what is received may change the store: it is being moved to a cluster.
	ErrMoving = errors.New("the store is being moved to a cluster")
	// ErrMoved means that the store was moved to a cluster.
	ErrMoved = errors.New("the store was moved to a cluster")
)

// JetStream error codes that callers must tell apart; nats.go names only some of them.
// https://github.com/nats-io/nats-server/blob/main/server/errors.json
const (
	codeAccountResources  = 10002
	codeInsufficient      = 10023
	codeMemoryResources   = 10028
	codeStorageResources  = 10047
	codeMessageTooLarge   = 10054
	CodeStoreFailed       = 10077
	CodeNoMessage         = 10037
	codeWrongLastSequence = 10071
	codeWrongLastConstant = 10164
	CodeDuplicateUnderWay = 10158
	CodeBatchesDisabled   = 10174
	codeBatchIncomplete   = 10176
	CodeBatchDuplicate    = 10201
	codeBatchesInFlight   = 10210
)

// Refusal is the error part of a JetStream acknowledgement.
type Refusal struct {
	Code        int    `json:"code"`
	ErrCode     int    `json:"err_code"`
	Description string `json:"description"`
}

// IsFull reports whether an error code of JetStream means that there is no room.
func IsFull(code int) bool {
	switch code {
	case codeAccountResources, codeInsufficient, codeMemoryResources, codeStorageResources, CodeStoreFailed:
		return true
	}
	return false
}

// Err is the refusal as an error of one of the classes.
func (r *Refusal) Err() error {
	class := ErrRefused
	switch code := r.ErrCode; {
	case IsFull(code):
		class = ErrFull
	case code == codeMessageTooLarge:
		class = ErrTooLarge
	case code == codeWrongLastSequence, code == codeWrongLastConstant:
		class = ErrConflict
	case code == codeBatchIncomplete, code == codeBatchesInFlight:
		class = ErrBusy
	case r.Code >= 500:
		class = ErrUnavailable
	}
	return fmt.Errorf("%w: %s (%d)", class, r.Description, r.ErrCode)
}

// Classify names the class of an error that nats.go returned.
func Classify(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, nats.ErrMaxPayload):
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	case errors.Is(err, nats.ErrBadSubject):
		return fmt.Errorf("%w: %w", ErrRefused, err)
	case errors.Is(err, context.Canceled):
		return err
	default:
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
}
