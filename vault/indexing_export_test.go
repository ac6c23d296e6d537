package vault

import (
	"encoding/binary"

	"github.com/agent-secret-store/assd/store"
)

// Indexed is how many stretches of the trail are indexed.
func (v *Vault) Indexed() (n uint64, err error) {
	err = v.db.View(func(s *store.Snapshot) error {
		if b := s.Get(store.Trail, []byte("i")); b != nil {
			n = binary.BigEndian.Uint64(b)
		}
		return nil
	})
	return n, err
}
