package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/client"
)

// Times of waiting for an owner.
const (
	defaultPatience = 10 * time.Minute
	minPoll         = time.Second // between two questions that bring nothing new
)

// patience is --wait: how long to wait for an approval; zero is not at all.
type patience time.Duration

// IsBool lets the flag stand without a value.
func (patience) IsBool() bool { return true }

// Decode reads --wait and --wait=TIME.
func (p *patience) Decode(ctx *kong.DecodeContext) error {
	*p = patience(defaultPatience)
	if ctx.Scan.Peek().Type != kong.FlagValueToken {
		return nil
	}
	text, _ := ctx.Scan.Pop().Value.(string)
	ttl, err := api.ParseTTL(text)
	*p = patience(ttl)
	return err
}

// patiently does something, and again once the request that it waits for is
// approved, for as long as p lasts.
func (p patience) patiently(a *app, cl *client.Client, do func() error) error {
	end := time.Now().Add(time.Duration(p))
	told := ""
	for {
		err := do()
		refusal, ok := errors.AsType[*api.Error](err)
		if p == 0 || !ok || refusal.Code != api.CodeApprovalRequired || !isApprovalID(refusal.ApprovalID) {
			return err
		}
		id := refusal.ApprovalID
		if _, given := refusal.Details[api.OpensAt]; id != told && !given {
			a.note("Request " + id + " waits for an owner, and this for at most " + api.TTL(p).String() +
				". It is approved with: ass approvals approve " + id)
			told = id
		}
		if err := a.await(cl, id, end); err != nil {
			return err
		}
	}
}

// await waits until a request is approved and the delay behind that is over. Its
// errors say how it ended otherwise.
func (a *app) await(cl *client.Client, id string, end time.Time) error {
	ctx, stop := signal.NotifyContext(a.ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	w := waiter{a: a, id: id}
	for {
		asked := time.Now()
		r, err := cl.WaitApproval(ctx, id)
		switch {
		case errors.Is(ctx.Err(), context.DeadlineExceeded):
			return timeOver(id)
		case ctx.Err() != nil:
			return &fault{code: codeFailed, message: "interrupted", hint: "request " + id + " waits on; run the same command again", exit: errInterrupted.exit}
		}
		if done, err := w.look(r, err); done {
			return err
		}
		pause(ctx, asked)
	}
}

// pause keeps a daemon that answers at once from being asked without end.
func pause(ctx context.Context, asked time.Time) {
	select {
	case <-time.After(minPoll - time.Since(asked)):
	case <-ctx.Done():
	}
}

// waiter tells, once each, what happens while a request waits.
type waiter struct {
	a           *app
	id          string
	gone, opens bool
}

// look reports whether the waiting is over.
func (w *waiter) look(r *api.Approval, err error) (done bool, _ error) {
	if _, gone := errors.AsType[*client.UnreachableError](err); gone {
		w.tell(&w.gone, "The daemon does not answer; trying again.")
		return false, nil
	}
	switch {
	case err != nil:
		return true, err
	case r.Status == api.ApprovalPending:
		return false, nil
	case r.Status != api.ApprovalApproved:
		return true, refusedAfterAll(*r)
	case r.OpensAt != nil && time.Now().Before(*r.OpensAt):
		w.tell(&w.opens, "Request "+w.id+" is approved and opens at "+moment(*r.OpensAt)+" UTC.")
		return false, nil
	}
	return true, nil
}

func (w *waiter) tell(told *bool, text string) {
	if !*told {
		w.a.note(text)
	}
	*told = true
}

// timeOver is the end of waiting for a request that waits on.
func timeOver(id string) error {
	err := api.New(api.CodeApprovalRequired, "the time to wait is over, and request "+id+" is not approved")
	err.ApprovalID = id
	return err
}

// refusedAfterAll says how a request ended that nobody has approved, or whose
// approval did not last.
func refusedAfterAll(r api.Approval) error {
	by := ""
	if r.DecidedBy != nil {
		by = " by " + foreign(*r.DecidedBy, maxName)
	}
	if r.Reason != nil {
		by += ": " + foreign(*r.Reason, api.MaxReason)
	}
	switch r.Status {
	case api.ApprovalDenied:
		return api.New(api.CodeScopeDenied, "request "+r.ID+" was denied"+by).WithHint("ask the owner, or ask for something else")
	case api.ApprovalRevoked:
		return api.New(api.CodeScopeDenied, "the approval of request "+r.ID+" was ended by an owner").WithHint("ask the owner")
	}
	return api.New(api.CodeApprovalRequired, "request "+r.ID+" has expired").WithHint("to ask again, run the same command again")
}
