package provider

import (
	"errors"
	"strings"
)

// ParseValue reads the form that operators write: json:PATH, header:NAME, form:FIELD, formjson:FIELD:PATH,
// multipartjson:FIELD:PATH, query:NAME or const:VALUE; or several with the word or between, of which the first that is
// there counts.
func ParseValue(s string) (Value, error) {
	var values []Value
	for _, place := range splitOrdered(s) {
		v, ok := parsePlace(place)
		if !ok {
			return Value{}, errors.New("want json:PATH, header:NAME, form:FIELD, formjson:FIELD:PATH, multipartjson:FIELD:PATH, query:NAME or " +
				"const:VALUE, or several in order, as json:id or header:X-Id")
		}
		values = append(values, v)
	}
	if len(values) == 1 {
		return values[0], nil
	}
	return FirstOf(values...), nil
}

func parsePlace(s string) (Value, bool) {
	kind, arg, _ := strings.Cut(s, ":")
	field, path, _ := strings.Cut(arg, ":")
	switch {
	case arg == "":
	case kind == "json":
		return JSON(arg), true
	case kind == "header" && validHeaderName(arg):
		return Header(arg), true
	case kind == "form":
		return Form(arg), true
	case kind == "query":
		return Query(arg), true
	case kind == "const":
		return Const(arg), true
	case kind == "formjson" && field != "" && path != "":
		return FormJSON(field, path), true
	case kind == "multipartjson" && field != "" && path != "":
		return MultipartJSON(field, path), true
	}
	return Value{}, false
}

// orderedSeparator stands between places that an operator names in order.
const orderedSeparator = " or "

// splitOrdered cuts a text before each place behind a separator: what follows one and names no place belongs to the
// place before, since a path or a constant may hold the word.
func splitOrdered(s string) []string {
	var places []string
	for word := range strings.SplitSeq(s, orderedSeparator) {
		kind, _, found := strings.Cut(word, ":")
		if len(places) > 0 && !(found && placeKind(kind)) {
			places[len(places)-1] += orderedSeparator + word
			continue
		}
		places = append(places, strings.TrimSpace(word))
	}
	return places
}

func placeKind(kind string) bool {
	switch strings.TrimSpace(kind) {
	case "json", "header", "form", "formjson", "multipartjson", "query", "const":
		return true
	}
	return false
}
