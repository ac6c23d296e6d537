package vault

import (
	"context"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault/api"
)

// Seal ends all that the vault does, for owners, with a full disk and in a lockdown too.
// Once its event is written nothing else is done any more: [Vault.SealAsked] is closed,
// and whoever serves the vault has to close it and to let go of its memory.
func (v *Vault) Seal(ctx context.Context, req Request, want api.SealRequest) (out api.Sealing, err error) {
	if err := checkReason(want.Reason); err != nil {
		return out, err
	}
	err = v.doReserved(ctx, on("vault.seal"), req, func(a *act) error {
		if err := a.ownerOnly(audit.VaultSeal); err != nil {
			return err
		}
		ev := a.event(audit.VaultSeal)
		ev.Reason = want.Reason
		if err := a.record(ev); err != nil {
			return err
		}
		// Whoever comes behind it in this commit is too late. On a full disk it is run
		// again, with the reserve.
		a.tx.OnUndo(func() { v.sealing.Store(false) })
		v.sealing.Store(true)
		return nil
	})
	if err == nil {
		v.keys.dropAll()
		close(v.sealAsked)
	}
	return api.Sealing{Sealed: err == nil}, err
}

// SealAsked is closed when an owner has sealed the vault.
func (v *Vault) SealAsked() <-chan struct{} { return v.sealAsked }

// IsSealing reports whether the vault has been sealed and does nothing any more.
func (v *Vault) IsSealing() bool { return v.sealing.Load() }
