package main

import (
	"context"
	"errors"
	"time"

	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/client"
)

// news is a list of what waits, newest first, or why there is none.
type news struct {
	items []api.Approval
	err   error
}

// poll sends each list that is another one than the last, and each failure, until
// ctx is done.
func poll(ctx context.Context, cl *client.Client, out chan<- news) {
	cursor := ""
	for ctx.Err() == nil {
		asked := time.Now()
		l, err := cl.WatchApprovals(ctx, api.ApprovalPending, cursor)
		if err == nil && l.Cursor == cursor && cursor != "" {
			pause(ctx, asked)
			continue
		}
		cursor = ""
		n := news{err: err}
		if err == nil {
			n.items, cursor = l.Items, l.Cursor
		}
		select {
		case out <- n:
		case <-ctx.Done():
			return
		}
		if err != nil || cursor == "" {
			pause(ctx, asked)
		}
	}
}

// passes reports whether a failure is one that may go away by itself, as when the
// daemon is started again.
func passes(err error) bool {
	if _, gone := errors.AsType[*client.UnreachableError](err); gone {
		return true
	}
	e, ok := errors.AsType[*api.Error](err)
	return ok && (e.Code == api.CodeSealed || e.Code == api.CodeRateLimited || e.Code == api.CodeInternal)
}
