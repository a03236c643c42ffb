// Package quarantine keeps requests that did not verify, as they came, for an operator to look at.
//
// Each source has a quota of stored bytes, so that a flood at one does not push out another's. Keeping a request waits for
// nothing, and what can't be kept is dropped, and said so. It does not verify.
package quarantine
