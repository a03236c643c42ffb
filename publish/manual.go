package publish

import _ "embed"

// Manual is the manual's page about NATS, in Markdown.
//
//go:embed README.md
var Manual string
