// Package queue keeps reminders in a NATS JetStream stream, over the network.
//
// One work-queue stream holds every reminder exactly once, under one of two
// subjects:
//
//	reminders.pending.ID   not due yet
//	reminders.due.ID       due, or being processed by a worker
//
// A future reminder is a scheduled message (the stream's AllowMsgSchedules):
// when its time comes, the server itself stores it under the due subject and
// removes the pending one. This was preferred to a scheduler of our own,
// which would have to read, write, delete and be elected, each step with a
// crash between it and the next; in the server both changes are applied by
// the stream (replicated, in a cluster), and a schedule survives restarts
// with the stream. If a crash falls between the two, the schedule fires again
// and the rollup header makes the second copy replace the first while it is
// still waiting: at least once, never lost.
//
// Acknowledging a message of a work-queue stream deletes it. So the messages
// under the due subject are what is due plus what is in flight, and the
// consumer's two counters (waiting, delivered but not acknowledged) are that
// depth, read in one step.
package queue

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/loadline/loadline/deploy/examples/remindme/reminder"
)

// Names of the stream, its consumer and its subjects.
const (
	Stream   = "REMINDERS"
	Consumer = "worker"

	subjectAll     = "reminders.>"
	subjectPending = "reminders.pending."
	subjectDue     = "reminders.due."

	// DueFilter matches what is due or in flight.
	DueFilter = subjectDue + "*"
)

// SchemaOptions are the parts of the schema that depend on the installation.
type SchemaOptions struct {
	Replicas int           // copies of the stream: 1, 3 or 5
	AckWait  time.Duration // silence of a worker after which a reminder is delivered again
}

// EnsureSchema creates the stream and its consumer, or updates them.
func EnsureSchema(ctx context.Context, js jetstream.JetStream, o SchemaOptions) error {
	_, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name:              Stream,
		Subjects:          []string{subjectAll},
		Retention:         jetstream.WorkQueuePolicy,
		Storage:           jetstream.FileStorage,
		Replicas:          o.Replicas,
		MaxMsgSize:        reminder.MaxEncoded + 1024, // and headers
		AllowMsgSchedules: true,
		AllowRollup:       true,
		AllowDirect:       true,
		Duplicates:        2 * time.Minute,
		// No limit on messages or bytes: at a limit the stream would drop its
		// oldest reminders (with schedules JetStream knows no other way).
		// Client.Create refuses new ones instead.
	})
	if err != nil {
		return fmt.Errorf("stream %s: %w", Stream, err)
	}
	_, err = js.CreateOrUpdateConsumer(ctx, Stream, jetstream.ConsumerConfig{
		Durable:       Consumer,
		FilterSubject: DueFilter,
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       o.AckWait,
		MaxDeliver:    -1, // a reminder is tried until it is done
		MaxAckPending: 10_000,
	})
	if err != nil {
		return fmt.Errorf("consumer %s of stream %s: %w", Consumer, Stream, err)
	}
	return nil
}
