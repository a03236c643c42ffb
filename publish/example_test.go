package publish_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"jethook/config"
	"jethook/publish"
	"jethook/publish/event"
)

// An event is on disk when Publish returns. Any NATS client can read it.
func ExampleBus_Publish() {
	dir, err := os.MkdirTemp("", "jethook-example-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	cfg := config.Default()
	cfg.DataDir, cfg.NATSListen = dir, "127.0.0.1:0"
	ctx := context.Background()
	bus, err := publish.Open(ctx, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer bus.Close()
	stored, err := bus.Publish(ctx, &event.Event{ID: "order-7", Type: "order.created", Subject: "events.order.created", Body: []byte(`{"id": 7}`)})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(stored.Stream, stored.Duplicate)
	if err := readFirst(ctx, bus.Server().ClientURL()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// EVENTS false
	// events.order.created order-7 {"id": 7}
}

// readFirst prints the first event, as a service would read it.
func readFirst(ctx context.Context, url string) error {
	conn, err := nats.Connect(url)
	if err != nil {
		return err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	orders, err := js.CreateOrUpdateConsumer(ctx, "EVENTS", jetstream.ConsumerConfig{Durable: "orders", FilterSubject: "events.order.>"})
	if err != nil {
		return err
	}
	msg, err := orders.Next()
	if err != nil {
		return err
	}
	fmt.Println(msg.Subject(), msg.Headers().Get("Jethook-Id"), string(msg.Data()))
	return msg.Ack()
}
