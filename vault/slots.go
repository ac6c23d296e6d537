package vault

import (
	"context"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/seal"
)

// slotChange is the change that stores a slot.
func slotChange(s seal.Slot) (audit.Change, error) {
	content, err := s.Marshal()
	return audit.Change{Object: audit.Object{Bucket: store.Slots, Key: string(s.ID)}, Content: content}, err
}

// slotNote is the record of where a slot came from, in bucket vault. A slot that was
// made with the vault has none.
type slotNote struct {
	Added  time.Time `json:"added"`
	By     string    `json:"by"` // name of the owner
	ByID   string    `json:"by_id"`
	SlotID string    `json:"slot_id"`
}

func slotNoteKey(id seal.SlotID) string { return "slot/" + string(id) }

// SetSlotCommand says how the operator's command, whose output opens command slots, is
// run for a new one; nil: there is none.
func (v *Vault) SetSlotCommand(run func(context.Context) (seal.Secret, error)) {
	if run == nil {
		v.slotCommand.Store(nil)
		return
	}
	v.slotCommand.Store(&run)
}
