// Package eventlog reads stored events, also those that nobody waits for any more: one by its place, all from the newest on,
// and those that come, as they come.
//
// Reading acknowledges nothing and leaves nothing behind. It does not write.
package eventlog
