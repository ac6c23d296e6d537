package vault

import (
	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/audit/chain"
)

// checkpointNote is the newest committed head, and the signed note of it.
func (v *Vault) checkpointNote() (note []byte, head audit.SignedHead) {
	head = v.log.Head()
	return []byte(chain.NewCheckpoint(v.tenant, head.Head, head.Key, head.Signature).String()), head
}
