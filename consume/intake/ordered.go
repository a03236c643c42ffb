package intake

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/consume/held"
	"jethook/consume/order"
	"jethook/publish/delivery"
)

// Dispatcher says what the messages of an endpoint's own consumer mean.
type Dispatcher interface {
	// Claim returns the delivery that a message stands for, if it has yet to be made. If not, the message has ended, or comes
	// again.
	Claim(context.Context, *held.Message) (d delivery.Delivery, open bool)
	// Submit hands it to the endpoint's lane.
	Submit(context.Context, *held.Message, delivery.Delivery)
	// PassOver ends a message of which somebody was about to make the delivery due, once it is.
	PassOver(context.Context, *held.Message)
}

// Ordered holds the messages of an ordered endpoint. It is an [order.Intake].
type Ordered struct {
	*held.Set
	dispatcher Dispatcher
}

// NewOrdered returns one that holds messages in a set.
func NewOrdered(set *held.Set, d Dispatcher) Ordered { return Ordered{set, d} }

// Hold is of [order.Intake]. Only when a message is there is there a body to account for: room for the largest, kept for each
// idle endpoint, would be more than there is.
func (in Ordered) Hold(ctx context.Context, msg jetstream.Msg) order.Message {
	m := in.HoldWithoutRoom(msg)
	if m == nil {
		return nil
	}
	if ctx.Err() != nil || m.AwaitRoom(ctx) != nil {
		m.GiveBack()
		return nil
	}
	return &orderedMessage{Message: m, dispatcher: in.dispatcher}
}

// orderedMessage is an event of an ordered endpoint.
type orderedMessage struct {
	*held.Message
	dispatcher Dispatcher
	d          delivery.Delivery
}

// IsWanted is of [order.Message].
func (m *orderedMessage) IsWanted(ctx context.Context) (wanted bool) {
	m.d, wanted = m.dispatcher.Claim(ctx, m.Message)
	return wanted
}

// Deliver is of [order.Message].
func (m *orderedMessage) Deliver(ctx context.Context) { m.dispatcher.Submit(ctx, m.Message, m.d) }

// GiveBack is of [order.Message].
func (m *orderedMessage) GiveBack(failed error) {
	if failed != nil {
		m.GiveBackLater(time.Second, failed)
	} else {
		m.Message.GiveBack()
	}
}
