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

	"github.com/agent-secret-store/assd/vault/api"
)

// maxSilence is how long a daemon that is followed may say nothing, which it never does
// for so long.
const maxSilence = 45 * time.Second

var errSilence = errors.New("it has said nothing for too long")

// FollowAudit calls fn with each event after the one with that number, as they are
// committed, until ctx ends, fn fails, or the daemon goes. It returns the number up to
// which nothing was left out, to go on from; and why it ended, nil where the daemon
// just stopped. Of q the filters count. Owners only.
func (c *Client) FollowAudit(ctx context.Context, q AuditQuery, after uint64, fn func(api.AuditEvent) error) (uint64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(maxSilence, func() { cancel(errSilence) })
	defer silence.Stop()
	v := q.values()
	v.Set("after", strconv.FormatUint(after, 10))
	body, err := c.open(ctx, call{method: http.MethodGet, path: "/v1/audit/follow", query: v, bearer: c.key}, nil)
	if err != nil {
		return after, err
	}
	defer body.Close()
	f := follower{last: after, in: bufio.NewReaderSize(body, 64<<10), fn: fn}
	for {
		err := f.block()
		silence.Reset(maxSilence)
		switch {
		case err == nil:
			continue
		case err == io.EOF:
			return f.last, nil
		case context.Cause(ctx) == errSilence:
			return f.last, &UnreachableError{URL: c.URL(), Err: errSilence}
		case f.broken:
			return f.last, c.transportError(http.MethodGet, err)
		}
		return f.last, err
	}
}

// follower reads server-sent events.
type follower struct {
	last   uint64
	in     *bufio.Reader
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
			f.broken = err != io.EOF
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

func (f *follower) line() (string, error) {
	var b strings.Builder
	for {
		part, err := f.in.ReadSlice('\n')
		b.Write(part)
		switch {
		case errors.Is(err, bufio.ErrBufferFull) && b.Len() <= maxLine:
			continue
		case errors.Is(err, bufio.ErrBufferFull):
			return "", fmt.Errorf("a line is longer than %d bytes", maxLine)
		}
		return strings.TrimSuffix(b.String(), "\n"), err
	}
}
