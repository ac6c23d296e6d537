package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/agent-secret-store/assd/audit/chain"
	"github.com/agent-secret-store/assd/vault/api"
)

// maxSilence is how long a daemon that is followed may say nothing, which it never does
// for so long; maxIdle how many bytes it may send without an event, which for one that is
// idle is years.
const (
	maxSilence = 45 * time.Second
	maxIdle    = 2 * chain.MaxLine
)

var errSilence = errors.New("it has said nothing for too long")

// Follower is told what [Client.FollowAudit] finds.
type Follower struct {
	Open  func()                     // the daemon lets us follow; nil: nobody asks
	Event func(api.AuditEvent) error // each event; as long as it takes, the daemon is not expected to say anything
}

// FollowAudit hands on each event after the one with that number, as they are committed,
// until ctx ends, to.Event fails, or the daemon goes. It returns the number up to
// which nothing was left out, to go on from; and why it ended, nil where the daemon
// just stopped. Of 128 MiB without an event, or a longer line than of an export, no more is
// read: that is an error. Of q the filters count. Owners only.
func (c *Client) FollowAudit(ctx context.Context, q AuditQuery, after uint64, to Follower) (uint64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(c.silence, func() { cancel(errSilence) })
	defer silence.Stop()
	v := q.values()
	v.Set("after", strconv.FormatUint(after, 10))
	body, err := c.open(ctx, call{method: http.MethodGet, path: "/v1/audit/follow", query: v, bearer: c.key}, nil)
	if err != nil {
		return after, silent(ctx, c, err)
	}
	defer body.Close()
	if to.Open != nil {
		to.Open()
	}
	f := follower{last: after, in: bufio.NewReaderSize(body, 64<<10), fn: func(e api.AuditEvent) error {
		silence.Stop()
		return to.Event(e)
	}}
	for {
		err := f.block()
		silence.Reset(c.silence)
		switch {
		case err == nil:
			continue
		case err == io.EOF:
			return f.last, nil
		case f.broken:
			return f.last, silent(ctx, c, c.transportError(http.MethodGet, err))
		}
		return f.last, err
	}
}

// silent is err, or that the daemon has said nothing for too long.
func silent(ctx context.Context, c *Client, err error) error {
	if context.Cause(ctx) == errSilence {
		return &UnreachableError{URL: c.URL(), Err: errSilence}
	}
	return err
}

// follower reads server-sent events.
type follower struct {
	last   uint64
	in     *bufio.Reader
	idle   int // bytes since the last event
	fn     func(api.AuditEvent) error
	broken bool // the connection
}

// block reads one event, up to the empty line behind it. One that is cut off is none.
func (f *follower) block() error {
	var kind, data string
	id := f.last
	for {
		line, err := f.line()
		if err != nil {
			return err
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "":
			return f.take(kind, data, id)
		case name == "event":
			kind = value
		case name == "data":
			data = value
		case name == "id":
			if id, err = strconv.ParseUint(value, 10, 64); err != nil {
				return errors.New("the daemon gave an event without a number")
			}
		}
	}
}

// take hands on what a block says. Its number counts once that is done.
func (f *follower) take(kind, data string, id uint64) error {
	switch kind {
	case "audit":
		var e api.AuditEvent
		if json.Unmarshal([]byte(data), &e) != nil {
			return errors.New("the daemon gave an event that cannot be read")
		}
		f.idle = 0
		if err := f.fn(e); err != nil {
			return err
		}
	case "error":
		var e api.Error
		if json.Unmarshal([]byte(data), &e) != nil || e.Code == "" {
			return errors.New("the daemon ended in an error that cannot be read")
		}
		return &e
	}
	f.last = id
	return nil
}

// line is the next line without its end. Half a line is none.
func (f *follower) line() (string, error) {
	line, err := chain.ReadLine(f.in)
	f.idle += len(line)
	switch {
	case err == nil && f.idle > maxIdle:
		return "", fmt.Errorf("the daemon sent %d bytes without an event", maxIdle)
	case errors.Is(err, chain.ErrLongLine):
		return "", fmt.Errorf("what the daemon sends is no stream of events: %w", err)
	}
	f.broken = err != nil && err != io.EOF
	return strings.TrimSuffix(string(line), "\n"), err
}
