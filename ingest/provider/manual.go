package provider

import _ "embed"

// Manual is the manual's page about the senders, in Markdown.
//
//go:embed README.md
var Manual string
