package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Depth is the state of the queue at one moment.
type Depth struct {
	Reminders uint64    // due plus in flight; not those of the future
	Oldest    time.Time // when the oldest of them became due; zero if there is none
}

// ReadDepth asks the queue. The two parts are read one after the other: a
// reminder that is done between them leaves Oldest zero.
func ReadDepth(ctx context.Context, js jetstream.JetStream) (Depth, error) {
	cons, err := js.Consumer(ctx, Stream, Consumer)
	if err != nil {
		return Depth{}, fmt.Errorf("consumer %s of stream %s: %w", Consumer, Stream, err)
	}
	info := cons.CachedInfo()
	d := Depth{Reminders: info.NumPending + uint64(info.NumAckPending)}
	if d.Reminders == 0 {
		return d, nil
	}
	stream, err := js.Stream(ctx, Stream)
	if err != nil {
		return Depth{}, fmt.Errorf("stream %s: %w", Stream, err)
	}
	// Redelivery keeps a message's place, so the first is the oldest. Its
	// time is when the queue made it due.
	msg, err := stream.GetMsg(ctx, 1, jetstream.WithGetMsgSubject(DueFilter))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return d, nil
	}
	if err != nil {
		return Depth{}, fmt.Errorf("oldest due reminder: %w", err)
	}
	d.Oldest = msg.Time
	return d, nil
}
