package server

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
)

const (
	typeSSE     = "text/event-stream"
	lastEventID = "Last-Event-ID" // by the standard of server-sent events, of who connects again
)

// followAudit streams events as they are committed: server-sent events, whose ids are
// their numbers, so that a client goes on where it stopped.
// Source: https://html.spec.whatwg.org/multipage/server-sent-events.html
func (s *Server) followAudit(rq *request) (any, error) {
	q, err := rq.query("after", "wait", "namespace", "agent", "action")
	if err != nil {
		return nil, err
	}
	f, err := s.filterOf(q)
	if err != nil {
		return nil, err
	}
	after, err := rq.after(q)
	if err != nil {
		return nil, err
	}
	lasts, err := lastingOf(q)
	if err != nil {
		return nil, err
	}
	if err := rq.alongTrail(s.followers, "followed", "end one of them"); err != nil {
		return nil, err
	}
	t, err := s.cfg.Vault.Follow(rq.ctx(), rq.who(), f, after)
	if err != nil {
		return nil, err
	}
	return &stream{
		typ: typeSSE + "; charset=utf-8", unending: true,
		send:   func(ctx context.Context, out *outlet) error { return (&follower{out: out, t: t}).send(ctx, lasts) },
		failed: func(out *outlet, e *api.Error) { _ = sendSSE(out, "error", 0, e) },
	}, nil
}

// after is the event behind which to begin; nil: the newest.
func (rq *request) after(q map[string]string) (*uint64, error) {
	name, text := lastEventID, rq.http.Header.Get(lastEventID)
	if text == "" {
		name, text = "after", q["after"]
	}
	if text == "" {
		return nil, nil
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return nil, bad(name + ": the number of an event is expected")
	}
	return &n, nil
}

// lastingOf is how long the client wants it to last; 0: without an end.
func lastingOf(q map[string]string) (time.Duration, error) {
	text, ok := q["wait"]
	if !ok {
		return 0, nil
	}
	ttl, err := api.ParseTTL(text)
	if err != nil || time.Duration(ttl) > maxWait {
		return 0, bad("wait: a time from 1s to 60s is expected")
	}
	return time.Duration(ttl), nil
}

// follower is a client that follows the trail.
type follower struct {
	out  *outlet
	t    *vault.Trail
	told time.Time // when it was sent something last
}

// send sends what there is, and what comes, for that long; 0: without an end.
func (f *follower) send(whole context.Context, lasts time.Duration) error {
	ctx, cancel := whole, context.CancelFunc(func() {})
	if lasts > 0 {
		ctx, cancel = context.WithTimeout(whole, lasts)
	}
	defer cancel()
	wait := time.Duration(0) // a client wants to know at once that it is let in
	for {
		_, err := f.t.Arrives(ctx, wait)
		if err == nil {
			err = f.sendArrived(ctx)
		}
		if err != nil && ctx.Err() != nil && whole.Err() == nil {
			return nil // as long as it was to last
		}
		if err != nil {
			return err
		}
		wait = max(heartbeat-time.Since(f.told), 0)
	}
}

// sendArrived sends the events that there are; now and then, where none are meant, a
// comment with the number up to which nothing was left out.
func (f *follower) sendArrived(ctx context.Context) error {
	for {
		links, err := f.t.Next(ctx)
		if err != nil {
			return err
		}
		for _, l := range links {
			e, err := l.Event()
			if err != nil {
				return err
			}
			if err := sendSSE(f.out, "audit", e.Seq, vault.DescribeEvent(e)); err != nil {
				return err
			}
		}
		if len(links) == 0 && time.Since(f.told) >= heartbeat {
			fmt.Fprintf(f.out, ": nothing new\nid: %d\n\n", f.t.Last())
		}
		if len(links) > 0 || time.Since(f.told) >= heartbeat {
			f.told = time.Now()
			if err := f.out.Flush(); err != nil {
				return err
			}
		}
		if f.t.Done() {
			return nil
		}
	}
}

// sendSSE writes one event; its JSON has no line breaks.
func sendSSE(out *outlet, kind string, id uint64, data any) error {
	if id > 0 {
		fmt.Fprintf(out, "id: %d\n", id) // an error shows at the next write
	}
	fmt.Fprintf(out, "event: %s\ndata: ", kind)
	if err := writeLine(out, data); err != nil {
		return err
	}
	return out.WriteByte('\n')
}
