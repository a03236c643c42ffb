package cursor

import "context"

// What waits behind a cursor can be asked for: it is made due in the schedule, and the cursor passes it over.
//
// Three steps do that. The place is noted in [Record.Going]; the delivery is made due, under a name that lets it be done
// twice; and the place moves to [Record.Ahead], which is passed over. Whoever is killed leaves it in one of them:
//
//   - Killed before it is due, the place is in Going. Whoever is handed it by the cursor finds nothing recorded of the
//     delivery, and makes it due itself.
//   - Killed before it moves to Ahead, it is in Going, too. Whoever is handed it finds what is recorded of the delivery and
//     passes it over; only of one that was delivered long ago nothing may be found, and then it is delivered once more.
//
// So nothing is lost in either order. And nothing is delivered by both ways while nobody is killed: who has noted the place
// asks the consumer afterwards whether it has handed it out, and goes on only if not. Whoever is handed it from then on
// decides by a record that has the place.

// GoAhead notes that a place is about to be taken from the cursor that has it. False: it is not the cursor's, or not any
// more.
func (t *Table) GoAhead(ctx context.Context, key Key, place uint64) (noted bool, err error) {
	_, err = t.change(ctx, key, func(r *Record) (bool, error) {
		noted = r.Divides() && r.HasCursor(place) && r.Delivers(place)
		changes := noted && !r.Goes(place)
		if changes {
			r.Going = r.Going.with([]uint64{place})
		}
		return changes, nil
	})
	return noted, err
}

// Gone notes that a place that was about to be taken is due.
func (t *Table) Gone(ctx context.Context, key Key, place uint64) error {
	_, err := t.change(ctx, key, func(r *Record) (bool, error) {
		if !r.Goes(place) {
			return false, nil
		}
		r.Going, r.Ahead = r.Going.without(place), r.Ahead.with([]uint64{place})
		return true, nil
	})
	return err
}
