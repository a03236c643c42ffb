//go:build race

package main

// raceEnabled says that the tests, and the binary that they run, are built with the race detector.
const raceEnabled = true
