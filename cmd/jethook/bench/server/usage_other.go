//go:build !linux

package server

// What /proc tells on Linux is not measured elsewhere.

// Usage is unknown.
func (*Server) Usage() Usage { return Usage{} }

// InMemory reports whether a folder lies in memory.
func InMemory(string) bool { return false }
