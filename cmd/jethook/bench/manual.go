package bench

import _ "embed"

// Manual is the manual's page about how fast it is, in Markdown.
//
//go:embed README.md
var Manual string
