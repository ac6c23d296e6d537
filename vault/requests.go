package vault

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sort"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
)

// maxRequests is how many requests one answer lists: each may name 64 secrets.
const maxRequests = 1000

// Approvals lists the newest requests, newest first, for owners: those of one
// status, or all for "".
func (v *Vault) Approvals(ctx context.Context, req Request, status string) ([]api.Approval, error) {
	list, _, err := v.listApprovals(ctx, req, status)
	return list, err
}

// WatchApprovals is Approvals for who wants to see them change. With a cursor it
// waits as long as wait lasts for another list than the one that the cursor stands
// for, and decides anew each time it looks.
func (v *Vault) WatchApprovals(ctx context.Context, req Request, status, cursor string, wait context.Context) (out api.Approvals, err error) {
	err = v.watch(ctx, wait, func() (bool, time.Time, error) {
		list, next, err := v.listApprovals(ctx, req, status)
		out = api.Approvals{Items: list, Cursor: cursorOf(list)}
		return out.Cursor != cursor, next, err
	})
	return out, err
}

// listApprovals is the list now, and when it will be another one by itself.
func (v *Vault) listApprovals(ctx context.Context, req Request, status string) (list []api.Approval, next time.Time, err error) {
	err = v.look(ctx, req, audit.ApprovalList, true, func(r store.Reader, _ *caller) error {
		list, next = []api.Approval{}, time.Time{}
		m, err := v.momentOf(r)
		if err != nil {
			return err
		}
		return v.eachRequest(r, status == api.ApprovalPending, func(one *approval, err error) (bool, error) {
			if err != nil || one == nil {
				return err == nil, err
			}
			now := one.status(m)
			if now == api.ApprovalPending && (next.IsZero() || one.Expires.Before(next)) {
				next = one.Expires // of what is listed, or will be
			}
			if status == "" || now == status {
				list = append(list, one.describe(m))
			}
			return true, nil
		})
	})
	sort.SliceStable(list, func(i, j int) bool { return list[i].CreatedAt.After(list[j].CreatedAt) })
	return list[:min(len(list), maxRequests)], next, err
}

// eachRequest calls fn with each request, or with those alone that may wait: they are
// few, and are found by their wishes.
func (v *Vault) eachRequest(r store.Reader, waiting bool, fn func(*approval, error) (bool, error)) error {
	if !waiting {
		return r.Scan(store.Approvals, nil, func(k, _ []byte) (bool, error) {
			return fn(loadOnce[approval](v, r, store.Approvals, string(k)))
		})
	}
	return r.Scan(store.Wishes, nil, func(k, _ []byte) (bool, error) {
		w, err := loadOnce[wish](v, r, store.Wishes, string(k))
		if err != nil || w == nil {
			return err == nil, err
		}
		return fn(loadOnce[approval](v, r, store.Approvals, w.Approval))
	})
}

// cursorOf stands for a list as it is shown.
func cursorOf(list []api.Approval) string {
	h := sha256.New()
	for _, r := range list {
		fmt.Fprintf(h, "%s %s %d\n", r.ID, r.Status, len(r.ApprovedBy))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// OwnApproval is a request as the one who made it sees it; owners see any.
func (v *Vault) OwnApproval(ctx context.Context, req Request, id string) (out api.Approval, err error) {
	err = v.look(ctx, req, audit.ApprovalList, false, func(r store.Reader, c *caller) error {
		one, err := load[approval](v, r, store.Approvals, id)
		switch {
		case err != nil:
			return err
		case one == nil || !c.owner() && one.Agent != c.ID:
			return approvalNotFound()
		}
		m, err := v.momentOf(r)
		out = one.describe(m)
		return err
	})
	return out, err
}

// WaitApproval is OwnApproval once it is decided and a delay is over, or wait is.
func (v *Vault) WaitApproval(ctx context.Context, req Request, id string, wait context.Context) (out api.Approval, err error) {
	err = v.watch(ctx, wait, func() (bool, time.Time, error) {
		now := v.cfg.Now()
		out, err = v.OwnApproval(ctx, req, id)
		switch {
		case out.Status == api.ApprovalPending:
			return false, out.ExpiresAt, err
		case out.Status == api.ApprovalApproved && out.OpensAt != nil && now.Before(*out.OpensAt):
			return false, *out.OpensAt, err
		}
		return true, time.Time{}, err
	})
	return out, err
}

// watch looks until look says that it has what is waited for, or wait ends, or
// there is an error: again after each change of requests, and when look says that
// something changes by itself.
func (v *Vault) watch(ctx, wait context.Context, look func() (done bool, next time.Time, err error)) error {
	for {
		news := v.news.next()
		done, next, err := look()
		if err != nil || done || wait.Err() != nil {
			return err
		}
		if err := v.untilNews(ctx, wait, news, next); err != nil {
			return err
		}
	}
}

// untilNews waits for news, that time if there is one, or the end of wait. An error
// is that of ctx.
func (v *Vault) untilNews(ctx, wait context.Context, news <-chan struct{}, next time.Time) error {
	var again <-chan time.Time
	if !next.IsZero() {
		timer := time.NewTimer(max(next.Sub(v.cfg.Now()), time.Millisecond))
		defer timer.Stop()
		again = timer.C
	}
	select {
	case <-news:
	case <-again:
	case <-wait.Done():
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}
