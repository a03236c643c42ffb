package follow

import (
	"context"
	"errors"
	"testing"

	"jethook/consume/cursor"
	"jethook/consume/endpoint"
)

// disabled is an endpoint that its operator disabled.
type disabled struct{ Endpoints }

func (disabled) Get(context.Context, string) (endpoint.Endpoint, error) {
	return endpoint.Endpoint{Disabled: true, DisabledReason: "disabled on request"}, nil
}

// message says what became of it.
type message struct{ became string }

func (m *message) Admit(context.Context) error { return nil }
func (m *message) Deliver(context.Context)     { m.became += "delivered" }
func (m *message) PassOver(context.Context)    { m.became += "passed over" }

func (m *message) End(how Ending) {
	m.became += map[Ending]string{GiveBack: "given back", Settle: "settled", Leave: "left"}[how]
}

// What becomes of a message follows from its record.
func TestDecide(t *testing.T) {
	t.Parallel()
	own := cursor.Record{Phase: cursor.Own, Epoch: "one", From: 10, Ahead: cursor.Places{15}, Going: cursor.Places{16}}
	joined := own
	joined.Phase, joined.Until = cursor.Joined, 30
	passing := joined
	passing.Passing = true
	another := own
	another.Epoch = "another"
	for name, test := range map[string]struct {
		r     *cursor.Record
		place uint64
		want  string
		err   error
	}{
		"the cursor's":             {r: &own, place: 20, want: "delivered"},
		"the shared intake's":      {r: &own, place: 9, want: "settled"},
		"delivered another way":    {r: &own, place: 15, want: "settled"},
		"somebody was about to":    {r: &own, place: 16, want: "passed over"},
		"before it joined":         {r: &joined, place: 29, want: "delivered"},
		"after it joined":          {r: &joined, place: 30, want: "settled"},
		"before it was disabled":   {r: &passing, place: 29, want: "delivered"},
		"after it was disabled":    {r: &passing, place: 30, err: errPasses},
		"of another record":        {r: &another, place: 20, want: "left"},
		"of a record that is over": {place: 20, want: "settled"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &follower{Followers: New(Settings{Endpoints: disabled{}}), epoch: "one"}
			m := &message{}
			if err := f.decide(t.Context(), placed{m, test.place}, test.r); !errors.Is(err, test.err) || m.became != test.want {
				t.Errorf("it is %q, want %q (%v)", m.became, test.want, err)
			}
		})
	}
}
