package dashboard

import (
	"time"

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
