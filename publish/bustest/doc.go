// Package bustest opens a bus for tests: on an embedded server of its own, or on one that a test has started.
package bustest
