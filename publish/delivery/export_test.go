package delivery

import "time"

// NewCalendar returns what books times of which each slot of a calendar takes so many.
func NewCalendar(most int) func(time.Time) time.Time { return newCalendar(most).book }
