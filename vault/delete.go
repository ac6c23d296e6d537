package vault

import (
	"context"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/store"
)

// Delete removes the secret at p with all its versions and leaves a tombstone.
func (v *Vault) Delete(ctx context.Context, req Request, p policy.Path) error {
	err := v.do(ctx, on("secret.delete").at(p), req, func(a *act) error {
		ev := a.about(audit.SecretDelete, p)
		h, err := a.headerFor(ev, policy.Delete, p)
		if err != nil {
			return err
		}
		if !h.exists() {
			return secretNotFound()
		}
		gone, err := v.tombstone(a.tx, p, h)
		if err != nil {
			return err
		}
		a.ends = true
		count, err := v.recount(a.tx, p.Namespace(), gone.counts().minus(h.counts()))
		if err != nil {
			return err
		}
		ev.Version = h.Current
		changes := append(count, put(store.Secrets, p.String(), gone))
		return a.spend(ev, "secrets:delete:"+p.String(), changes...)
	})
	if err == nil {
		v.rotations.settle(p, "", v.cfg.Now())
	}
	return err
}

// tombstone is what stays of h when the secret is deleted; its values are removed.
func (v *Vault) tombstone(tx *store.Tx, p policy.Path, h *header) (header, error) {
	gone := *h
	if err := v.schedule(tx, p, h.due(), time.Time{}); err != nil {
		return gone, err
	}
	for _, ver := range h.Versions {
		if err := tx.Delete(store.Values, valueKey(h.ID, ver.N)); err != nil {
			return gone, err
		}
	}
	gone.Versions, gone.Deleted, gone.Updated = nil, v.log.Now(), v.log.Now()
	gone.Warned, gone.Ended = time.Time{}, time.Time{}
	return gone, nil
}
