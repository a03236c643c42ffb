// Package delivery stores deliveries: those that wait for their time, those that come due, the dead ones, and the history of
// all. A [Store] writes them, and a [Finder] finds out where one is.
//
// A delivery is in one place, or, while it moves, in its new one before it leaves the old: a kill at any moment loses none,
// and each write on a condition can't make two of one. A large body waits with its event.
//
// It makes no attempts, and it does not decide what becomes of one.
package delivery
