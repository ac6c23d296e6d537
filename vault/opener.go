package vault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/seal"
)

// Opener has what opens the slots of one kind. What it names (a file, a program) comes
// from flags or the operator's file, never from a slot.
type Opener struct {
	Kind seal.Kind
	What string // for messages: `key file "/srv/root.key"`
	// Secret gives the secret for that tenant, to be wiped by the caller. Its error says
	// what to do.
	Secret func(ctx context.Context, tenant string) (seal.Secret, error)
}

// FileOpener opens file slots with the key file at path.
func FileOpener(path string) Opener {
	return Opener{Kind: seal.KindFile, What: fmt.Sprintf("key file %q", path), Secret: func(context.Context, string) (seal.Secret, error) {
		return seal.ReadKeyFile(path)
	}}
}

// PassphraseOpener opens passphrase slots with p, which stays the caller's to wipe. It
// fails with [seal.ErrWrongPassphrase].
func PassphraseOpener(p seal.Passphrase) Opener {
	return Opener{Kind: seal.KindPassphrase, What: "passphrase", Secret: func(context.Context, string) (seal.Secret, error) { return seal.Lent(p), nil }}
}

// SealedError says that no slot opened, and why. The vault can be opened by one of
// Kinds all the same, with what nobody has given yet.
type SealedError struct {
	Tenant   string
	Kinds    []seal.Kind // of its slots, each once, sorted
	Problems []error     // of each opener
}

func (e *SealedError) Error() string {
	if len(e.Problems) > 0 {
		texts := make([]string, len(e.Problems))
		for i, p := range e.Problems {
			texts[i] = p.Error()
		}
		return strings.Join(texts, "; and ")
	}
	if len(e.Kinds) == 0 {
		return fmt.Sprintf("the data file does not open this vault (%s) any more: it has no slot; put a backup back", e.Tenant)
	}
	kinds := make([]string, len(e.Kinds))
	for i, k := range e.Kinds {
		kinds[i] = string(k)
	}
	return fmt.Sprintf("what is at hand does not open this vault (%s); its slots take: %s", e.Tenant, strings.Join(kinds, ", "))
}

func (e *SealedError) Unwrap() []error { return e.Problems }

// Unsealable reports whether somebody may still open it: with a passphrase, or with
// what a program or a keyring may give the next time it is asked.
func (e *SealedError) Unsealable() bool {
	return slices.ContainsFunc(e.Kinds, func(k seal.Kind) bool { return k != seal.KindFile })
}

// openRoot has each opener try the slots of its kind, and gives the root key of the
// first that opens, and that slot. It fails with a *[SealedError].
func openRoot(ctx context.Context, r store.Reader, openers []Opener, tenant string) (*seal.RootKey, seal.SlotID, error) {
	slots, err := parseSlots(r)
	if err != nil {
		return nil, "", err
	}
	sealed := &SealedError{Tenant: tenant, Kinds: kindsOf(slots)}
	for _, o := range openers {
		if !slices.Contains(sealed.Kinds, o.Kind) {
			continue
		}
		root, slot, err := o.open(ctx, slots, tenant)
		if err == nil {
			return root, slot, nil
		}
		sealed.Problems = append(sealed.Problems, err)
	}
	return nil, "", sealed
}

func (o Opener) open(ctx context.Context, slots []seal.Slot, tenant string) (*seal.RootKey, seal.SlotID, error) {
	secret, err := o.Secret(ctx, tenant)
	if err != nil {
		return nil, "", err
	}
	defer secret.Wipe()
	for _, s := range slots {
		if s.Kind != o.Kind {
			continue
		}
		root, err := s.Unlock(tenant, secret)
		if err == nil || !errors.Is(err, seal.ErrWrongKey) {
			return root, s.ID, err
		}
	}
	if o.Kind == seal.KindPassphrase {
		return nil, "", fmt.Errorf("%w: it opens none of the slots of this vault (%s)", seal.ErrWrongPassphrase, tenant)
	}
	return nil, "", fmt.Errorf("the %s does not open this vault (%s): use the one that was made with it", o.What, tenant)
}

// parseSlots are the slots of a vault whose records cannot be checked yet; one that is
// malformed opens nothing.
func parseSlots(r store.Reader) (slots []seal.Slot, err error) {
	err = r.Scan(store.Slots, nil, func(_, raw []byte) (bool, error) {
		if rec, ok := audit.ParseRecord(raw); ok {
			if s, err := seal.ParseSlot(rec.Content); err == nil {
				slots = append(slots, s)
			}
		}
		return len(slots) < maxSlots, nil
	})
	return slots, err
}

// maxSlots is how many slots a vault may have: each passphrase is tried on all of them.
const maxSlots = 16

func kindsOf(slots []seal.Slot) (kinds []seal.Kind) {
	for _, s := range slots {
		kinds = append(kinds, s.Kind)
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}
