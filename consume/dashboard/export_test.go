package dashboard

import (
	"time"

	"jethook/config"
	"jethook/consume/status"
)

// What tests of this package's insides see.
var (
	Indented = indented
	PartsOf  = partsOf
)

// NotesOf is what the overview says, in one line: its level, sentence and time, and where its link leads.
func NotesOf(st *status.Status, recent *status.Recent) (all []string) {
	s := &Server{now: time.Now}
	for _, n := range s.notesOf(st, recent) {
		text := n.Level + ": " + n.Text
		if n.Since != nil {
			text += " Since " + n.Since.Format(time.TimeOnly) + "."
		}
		if n.Link != "" {
			text += " " + n.To + ": " + string(n.Link)
		}
		all = append(all, text)
	}
	return all
}

// SessionOpen reports whether a session that began and was used last so long ago is open.
func SessionOpen(began, used time.Duration) bool {
	now := time.Now()
	s := newSessions(config.NewSecret("a token"), config.Secret{}, nil)
	v := s.begin(actorAdmin, now.Add(-began))
	v.seen = now.Add(-used)
	_, open := s.open(s.seal(&v), now)
	return open
}

// CountText is what a bulk change says of how many things it is about.
var CountText = countText
