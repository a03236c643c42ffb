// Package removal removes messages for good, also where the server brings them back after a kill.
//
// What is removed is noted first, by its place and its time, and what was noted is removed again whenever the server may have
// been killed. It does not decide what is removed.
package removal
