package admin

import _ "embed"

// Manual is the manual's page about the admin API, in Markdown.
//
//go:embed README.md
var Manual string
