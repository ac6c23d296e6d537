package vault

import (
	"context"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
)

// Status says how the vault's keys and its data file stand, for owners.
func (v *Vault) Status(ctx context.Context, req Request) (out api.VaultStatus, err error) {
	err = v.look(ctx, req, audit.VaultStatus, true, func(r store.Reader, _ *caller) error {
		st, err := v.state(r)
		if err != nil {
			return err
		}
		out = api.VaultStatus{
			Tenant: v.tenant, Claimed: !st.ClaimedAt.IsZero(), Format: store.Format,
			KEK: st.KEK, KEKSince: st.KEKSince, Epoch: st.Epoch, Turn: v.turning.describe(st.Turn),
		}
		if st.KEKSince.IsZero() {
			out.KEKSince = st.Created
		}
		return r.Scan(store.Slots, nil, func(_, _ []byte) (bool, error) {
			out.Slots++
			return true, nil
		})
	})
	if err != nil {
		return out, err
	}
	is, err := v.db.Size()
	out.FileBytes, out.FreeBytes = uint64(is.File), uint64(is.Free)
	return out, asAPI(err)
}
