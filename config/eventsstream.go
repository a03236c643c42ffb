package config

import "strings"

// checkEventsStream finds what is wrong with the stream of others that is delivered from.
func checkEventsStream(p *Problems, c *Config) {
	const stream, subjects = "JETHOOK_EVENTS_STREAM", "JETHOOK_EVENTS_SUBJECTS"
	p.require(!strings.ContainsAny(c.EventsStream, ".*>/\\ \t"), stream, "%q is no stream: its name has no dots, slashes, spaces or wildcards", c.EventsStream)
	p.require(len(c.EventsSubjects) == 0 || c.EventsStream != "", subjects, "requires %s", stream)
	for _, s := range c.EventsSubjects {
		p.require(isSubject(s), subjects, "%q is no subject pattern, such as orders.> or users.*.created", s)
	}
}

// isSubject reports whether a text can be a pattern of subjects.
func isSubject(text string) bool {
	tokens := strings.Split(text, ".")
	for i, t := range tokens {
		wildcard := t == "*" || t == ">" && i == len(tokens)-1
		if t == "" || !wildcard && strings.ContainsAny(t, "*> \t\r\n") {
			return false
		}
	}
	return true
}
