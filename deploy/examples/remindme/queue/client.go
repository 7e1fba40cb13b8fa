package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/loadline/loadline/deploy/examples/remindme/reminder"
)

var (
	// ErrFull says that the queue holds as many reminders as it may.
	ErrFull = errors.New("the queue is full")
	// ErrNotFound says that no such reminder waits.
	ErrNotFound = errors.New("no such reminder")
)

// Client creates, lists and deletes reminders that are waiting.
type Client struct {
	js       jetstream.JetStream
	capacity *capacity
}

// NewClient returns a client that refuses to create reminders once the queue
// holds max of them. The count is read about once a second, so the bound is
// exact up to the creations of that time.
func NewClient(nc *nats.Conn, max uint64, now func() time.Time) (*Client, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	return &Client{js: js, capacity: &capacity{count: func(ctx context.Context) (uint64, error) { return count(ctx, js) }, max: max, now: now}}, nil
}

// count returns how many reminders the queue holds.
func count(ctx context.Context, js jetstream.JetStream) (uint64, error) {
	s, err := js.Stream(ctx, Stream)
	if err != nil {
		return 0, fmt.Errorf("stream %s: %w", Stream, err)
	}
	return s.CachedInfo().State.Msgs, nil
}

// Create stores r: when it returns nil, r is on the queue's disk. Storing the
// same reminder again within two minutes changes nothing, so that a caller
// may retry.
func (c *Client) Create(ctx context.Context, r reminder.Reminder, now time.Time) error {
	if err := r.Validate(); err != nil {
		return err
	}
	if err := c.capacity.check(ctx); err != nil {
		return err
	}
	data, err := reminder.Encode(r)
	if err != nil {
		return err
	}
	opts := []jetstream.PublishOpt{jetstream.WithMsgID(r.ID), jetstream.WithExpectStream(Stream)}
	subject := subjectDue + r.ID
	if r.Due.After(now) {
		subject = subjectPending + r.ID
		opts = append(opts,
			jetstream.WithScheduleAt(ceilSecond(r.Due)),
			jetstream.WithScheduleTarget(subjectDue+r.ID),
			jetstream.WithScheduleRollup())
	}
	if _, err := c.js.Publish(ctx, subject, data, opts...); err != nil {
		return fmt.Errorf("create reminder: %w", err)
	}
	return nil
}

// ceilSecond rounds up: schedules have a resolution of a second, and a
// reminder may come late by that much but never early.
func ceilSecond(t time.Time) time.Time {
	if s := t.Truncate(time.Second); s.Before(t) {
		return s.Add(time.Second)
	}
	return t
}

// Delete removes a reminder that is pending or due. One that a worker is just
// processing disappears from the queue, but is delivered all the same.
func (c *Client) Delete(ctx context.Context, id string) error {
	if err := reminder.ValidateID(id); err != nil {
		return ErrNotFound
	}
	// The raw request answers how many messages it removed; the client
	// library's Purge does not say.
	req, err := json.Marshal(map[string]string{"filter": "reminders.*." + id})
	if err != nil {
		return err
	}
	msg, err := c.js.Conn().RequestWithContext(ctx, "$JS.API.STREAM.PURGE."+Stream, req)
	if err != nil {
		return fmt.Errorf("delete reminder: %w", err)
	}
	var answer struct {
		Purged uint64              `json:"purged"`
		Error  *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(msg.Data, &answer); err != nil {
		return fmt.Errorf("delete reminder: the queue's answer: %w", err)
	}
	if answer.Error != nil {
		return fmt.Errorf("delete reminder: %w", answer.Error)
	}
	if answer.Purged == 0 {
		return ErrNotFound
	}
	return nil
}

// State says where a listed reminder is.
type State string

// States of a reminder.
const (
	Pending State = "pending" // not due yet
	Due     State = "due"     // due, or being processed
)

// Entry is one reminder of a list.
type Entry struct {
	reminder.Reminder
	State State `json:"state"`
}

// Page is a part of the list of reminders, in the order in which the queue
// received them. Next is where the following page starts, 0 after the last.
type Page struct {
	Entries []Entry
	Next    uint64
}

const listTimeout = 5 * time.Second

// List returns up to limit reminders from position from on (0: the first).
func (c *Client) List(ctx context.Context, from uint64, limit int) (Page, error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	msgs, err := jetstreamext.GetBatch(ctx, c.js, Stream, limit,
		jetstreamext.GetBatchSubject(subjectAll), jetstreamext.GetBatchSeq(max(from, 1)))
	if err != nil {
		return Page{}, fmt.Errorf("list reminders: %w", err)
	}
	var page Page
	var last uint64
	got := 0
	for msg, err := range msgs {
		if errors.Is(err, jetstreamext.ErrNoMessages) {
			break
		}
		if err != nil {
			return Page{}, fmt.Errorf("list reminders: %w", err)
		}
		got++
		last = msg.Sequence
		r, err := reminder.Parse(msg.Data)
		if err != nil {
			return Page{}, fmt.Errorf("list reminders: message %d: %w", msg.Sequence, err)
		}
		state := Due
		if strings.HasPrefix(msg.Subject, subjectPending) {
			state = Pending
		}
		page.Entries = append(page.Entries, Entry{Reminder: r, State: state})
	}
	// A timeout ends the sequence without an error; a part of a list must not
	// pass for the whole.
	if err := ctx.Err(); err != nil {
		return Page{}, fmt.Errorf("list reminders: %w", err)
	}
	if got == limit {
		page.Next = last + 1
	}
	return page, nil
}
