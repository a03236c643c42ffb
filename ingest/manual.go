package ingest

import _ "embed"

// Manual is the manual's page about receiving webhooks, in Markdown.
//
//go:embed README.md
var Manual string
