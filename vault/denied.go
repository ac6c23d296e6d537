package vault

import (
	"fmt"
	"math"
	"time"

	"github.com/agent-secret-store/assd/vault/api"
)

// After a denial the same digest is refused for a while, twice as long with each
// further one, up to a day; a day after that it is as if nothing had been denied.
const (
	firstRefusal    = time.Minute
	longestRefusal  = 24 * time.Hour
	denialForgotten = 24 * time.Hour
)

// refusedUntil is until when what r asked for is refused, after r was denied.
func (r *approval) refusedUntil() time.Time {
	d := longestRefusal
	if n := r.Denials - 1; n < 16 { // 2^16 minutes are longer
		d = min(d, firstRefusal<<max(n, 0))
	}
	return r.Decided.Add(d)
}

// recalledUntil is until when denials of what r asks for count: that of r itself,
// or, where nobody answered r, those before it.
func (r *approval) recalledUntil() time.Time {
	if r.Decided.IsZero() {
		return r.Recalls
	}
	return r.refusedUntil().Add(denialForgotten)
}

// recalled reports whether r, which waits no longer, is what denials are still
// known by.
func (r *approval) recalled(m moment) bool {
	status := r.status(m)
	return (status == api.ApprovalDenied || status == api.ApprovalExpired && r.Decided.IsZero()) &&
		m.now.Before(r.recalledUntil())
}

// follow hands on to r the denials that still count of the last request for the
// same.
func (r *approval) follow(last *approval, m moment) {
	if last.recalled(m) {
		r.Denials, r.Recalls = last.Denials, last.recalledUntil()
	}
}

// tooSoon is the refusal of what was denied a short time ago, or nil.
func (r *approval) tooSoon(m moment) *api.Error {
	if r.status(m) != api.ApprovalDenied || !m.now.Before(r.refusedUntil()) {
		return nil
	}
	wait := int(math.Ceil(r.refusedUntil().Sub(m.now).Seconds()))
	message := fmt.Sprintf("an owner has denied just this (request %s); it can be asked for again in %d s", r.ID, wait)
	if r.Reason != "" {
		message += ": " + r.Reason
	}
	err := api.New(api.CodeScopeDenied, message).WithHint("ask the owner, or ask for something else")
	err.Details = map[string]any{"approval_id": r.ID, "retry_after": wait}
	return err
}
