package vault

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"github.com/agent-secret-store/assd/audit"
)

// checkpointNote is the newest committed head, and the signed note of it.
func (v *Vault) checkpointNote() (note []byte, head audit.SignedHead) {
	head = v.log.Head()
	key, err := audit.ParseKey(v.log.VerifyKey())
	if err != nil {
		return nil, head
	}
	id := sha256.Sum256(append([]byte("assd\n\xffass-head-v1\n"), key...))
	return fmt.Appendf(nil, "agent-secret-store/%s\n%d\n%s\nepoch %d\n\n— assd %s\n", v.tenant, head.Seq,
		base64.StdEncoding.EncodeToString(head.Hash[:]), head.Epoch,
		base64.StdEncoding.EncodeToString(append(id[:4], head.Signature...))), head
}
