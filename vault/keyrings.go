package vault

import "github.com/agent-secret-store/assd/vault/envelope"

// keyrings are those that open values: the one that seals as well, and the one before
// it as long as some are not wrapped anew.
type keyrings struct{ now, old *envelope.Keyring }

// keyring is the one that values are sealed to.
func (v *Vault) keyring() *envelope.Keyring { return v.rings.Load().now }

// ring is the keyring of that id. Where there is none it is the one that seals: it
// opens nothing that is another's.
func (v *Vault) ring(id string) *envelope.Keyring {
	rings := v.rings.Load()
	if rings.old != nil && rings.old.ID() == id {
		return rings.old
	}
	return rings.now
}

// has reports whether id is that of a keyring, and not of the approval key.
func (v *Vault) has(id string) bool { return id != "" && v.ring(id).ID() == id }
