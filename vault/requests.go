package vault

import (
	"context"
	"sort"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
)

// maxRequests is how many requests one answer lists: each may name 64 secrets.
const maxRequests = 1000

// Approvals lists the newest requests, newest first, for owners: those of one
// status, or all for "".
func (v *Vault) Approvals(ctx context.Context, req Request, status string) ([]api.Approval, error) {
	list := []api.Approval{}
	err := v.look(ctx, req, audit.ApprovalList, true, func(r store.Reader, _ *caller) error {
		now := v.now(r)
		return r.Scan(store.Approvals, nil, func(k, _ []byte) (bool, error) {
			one, err := loadOnce[approval](v, r, store.Approvals, string(k))
			if err == nil && one != nil && (status == "" || one.status(now) == status) {
				list = append(list, one.describe(now))
			}
			return err == nil, err
		})
	})
	sort.SliceStable(list, func(i, j int) bool { return list[i].CreatedAt.After(list[j].CreatedAt) })
	return list[:min(len(list), maxRequests)], err
}

// OwnApproval is a request as the agent that made it sees it; owners see any.
func (v *Vault) OwnApproval(ctx context.Context, req Request, id string) (out api.Approval, err error) {
	err = v.look(ctx, req, audit.ApprovalList, false, func(r store.Reader, c *caller) error {
		one, err := load[approval](v, r, store.Approvals, id)
		switch {
		case err != nil:
			return err
		case one == nil || !c.owner() && one.Agent != c.ID:
			return approvalNotFound()
		}
		out = one.describe(v.now(r))
		return nil
	})
	return out, err
}
