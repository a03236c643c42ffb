package config

import (
	"fmt"
	"strings"
)

// Variable describes one environment variable for the reference.
type Variable struct {
	Name    string // in full; <NAME> stands for a source's name
	Default string // as it would be set; empty: none
	Meaning string
}

// Reference lists all variables in the order of [Config], those of a source after JETHOOK_SOURCES.
func Reference() []Variable {
	var list []Variable
	for _, s := range settings(prefix, &Config{}) {
		list = s.describe(list)
		if s.name != prefix+"SOURCES" {
			continue
		}
		for _, s := range settings(sourcePrefix+"<NAME>_", &Source{}) {
			list = s.describe(list)
		}
	}
	return list
}

// describe appends the setting, unless another one tells of it.
func (s setting) describe(list []Variable) []Variable {
	if s.meaning == "" {
		return list
	}
	return append(list, Variable{Name: s.name, Default: s.fallback, Meaning: s.meaning})
}

// Markdown returns [Reference] as the table that this package's README shows.
func Markdown() string {
	var b strings.Builder
	b.WriteString("| variable | default | meaning |\n|---|---|---|\n")
	for _, v := range Reference() {
		fallback := ""
		if v.Default != "" {
			fallback = "`" + v.Default + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", v.Name, fallback, strings.ReplaceAll(v.Meaning, "|", `\|`))
	}
	return b.String()
}
