package config

import _ "embed"

// Manual is the manual's page about the settings, in Markdown.
//
//go:embed README.md
var Manual string
