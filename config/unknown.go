package config

import (
	"fmt"
	"slices"
	"strings"
)

// unknown returns a problem for each variable of environ ("NAME=value") that begins as Jethook's do, is not
// empty, and is not among known.
func unknown(environ, known []string) Problems {
	var names []string
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, prefix) && strings.TrimSpace(value) != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	links := serviceLinks(names)

	var p Problems
	for _, name := range names {
		linked := slices.ContainsFunc(links, func(link string) bool { return strings.HasPrefix(name, link) })
		if linked || slices.Contains(known, name) {
			continue
		}
		hint := ""
		if near := nearest(name, known); near != "" {
			hint = fmt.Sprintf("; did you mean %s?", near)
		}
		if ofSource(name) {
			p.add(name, "belongs to no source in JETHOOK_SOURCES; add the source or unset this%s", hint)
			continue
		}
		p.add(name, "is not a Jethook variable; unset it%s", hint)
	}
	return p
}

// serviceLinks returns the prefixes of the variables that Kubernetes sets in every container for a service
// whose name begins with ours: JETHOOK_SERVICE_HOST, JETHOOK_PORT_8080_TCP and so on for one named jethook.
// Nobody misspelt those.
func serviceLinks(names []string) []string {
	var links []string
	for _, name := range names {
		if service, ok := strings.CutSuffix(name, "_SERVICE_HOST"); ok {
			links = append(links, service+"_SERVICE_HOST", service+"_SERVICE_PORT", service+"_PORT")
		}
	}
	return links
}

// ofSource reports whether name is spelt as a source's variable.
func ofSource(name string) bool {
	rest, ok := strings.CutPrefix(name, sourcePrefix)
	return ok && slices.ContainsFunc(settings("_", &Source{}), func(s setting) bool {
		return strings.HasSuffix(rest, s.name) && rest != s.name
	})
}

// nearest returns the known name that takes the fewest edits to make of name, or "" if that is more than a
// slip of the keyboard: 3 edits, fewer for short names.
func nearest(name string, known []string) string {
	best, limit := "", min(3, (len(name)-len(prefix)+2)/3)
	for _, candidate := range known {
		if edits := distance(name, candidate); edits <= limit {
			best, limit = candidate, edits-1
		}
	}
	return best
}

// distance is the Levenshtein distance: how many bytes must be put in, taken out or replaced to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1) // distances of the prefixes of b to what was read of a
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
