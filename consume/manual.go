package consume

import _ "embed"

// Manual is the manual's page about delivering events, in Markdown.
//
//go:embed README.md
var Manual string
