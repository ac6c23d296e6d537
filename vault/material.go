package vault

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/envelope"
	"github.com/agent-secret-store/assd/vault/seal"
)

// material is the vault's keys in the clear, as they are between unlocking the
// root key and handing each to its user.
type material struct {
	root     *seal.RootKey
	oldRoot  *seal.RootKey // nil, but while records are authenticated anew
	slot     seal.SlotID   // that root came from
	state    state
	keyring  *envelope.Keyring
	old      *envelope.Keyring // nil, but while values are wrapped anew
	auditKey ed25519.PrivateKey
	tokenKey ed25519.PrivateKey
}

// sealedKey is the record of a key: sealed under the root key, with its role.
type sealedKey struct {
	Sealed []byte `json:"sealed"`
}

type namedKey struct {
	name string // in the keys bucket
	seal func() ([]byte, error)
}

// sealed lists the vault's keys with how each is sealed.
func (m *material) sealed() []namedKey {
	s := m.state
	return []namedKey{
		{kekName(s), func() ([]byte, error) { return m.keyring.Marshal(m.root, s.Tenant) }},
		{auditKeyName(s), func() ([]byte, error) {
			return m.root.Seal(seal.RoleAudit, s.Tenant, s.AuditKey, m.auditKey.Seed())
		}},
		{tokenKeyName(s), func() ([]byte, error) {
			return m.root.Seal(seal.RoleToken, s.Tenant, s.TokenKey, m.tokenKey.Seed())
		}},
	}
}

func kekName(s state) string      { return kekRecord(s.KEK) }
func kekRecord(id string) string  { return string(seal.RoleKEK) + "/" + id }
func rootRecord(id string) string { return string(seal.RoleRoot) + "/" + id }
func auditKeyName(s state) string { return string(seal.RoleAudit) + "/" + s.AuditKey }
func tokenKeyName(s state) string { return string(seal.RoleToken) + "/" + s.TokenKey }

// macLabel derives the key that authenticates records.
const macLabel = "record-mac"

// anchored are the records that every event vouches for. They and their order never
// change.
var anchored = []audit.Object{
	{Bucket: store.Vault, Key: stateKey}, {Bucket: store.Vault, Key: lockdownKey},
	{Bucket: store.Vault, Key: policyFile.key}, {Bucket: store.Vault, Key: configFile.key},
}

func (v *Vault) auditConfig(m *material) audit.Config {
	cfg := audit.Config{
		Tenant: m.state.Tenant, Epoch: m.state.Epoch, Signer: m.auditKey,
		MACKey: m.root.Derive(macLabel), Now: v.cfg.Now, NewID: newEventID, Anchored: anchored,
		Attach: v.attach,
	}
	if m.oldRoot != nil {
		cfg.OldMACKey, cfg.OldBefore = m.oldRoot.Derive(macLabel), m.state.Turn.RootSince
	}
	return cfg
}

// use hands the keys to their users.
func (v *Vault) use(m *material) (err error) {
	v.tenant = m.state.Tenant
	v.rings.Store(&keyrings{m.keyring, m.old})
	held := &roots{key: m.root, slot: m.slot, before: m.oldRoot}
	if held.outer, err = m.root.ApprovalAEAD(); err != nil {
		return err
	}
	v.roots.Store(held)
	tokens, err := newTokenKey(m.state.TokenKey, v.tenant, m.tokenKey)
	if err != nil {
		return err
	}
	v.tokens.Store(tokens)
	v.heads = audit.NewHeadFile(v.cfg.headFile(), v.tenant)
	return nil
}

// unlock reads the keys of the vault in r. The records are authentic only once
// the root key is known; authenticate checks them then.
func unlock(ctx context.Context, r store.Reader, openers []Opener) (*material, error) {
	m := &material{}
	if err := unchecked(r, store.Vault, stateKey, &m.state); err != nil {
		return nil, err
	}
	root, slot, err := openRoot(ctx, r, openers, m.state.Tenant)
	if err != nil {
		return nil, err
	}
	m.root, m.slot = root, slot
	return m, m.open(r)
}

// open opens the sealed keys with the root key.
func (m *material) open(r store.Reader) (err error) {
	s := m.state
	var kek, aud, tok sealedKey
	for name, into := range map[string]*sealedKey{kekName(s): &kek, auditKeyName(s): &aud, tokenKeyName(s): &tok} {
		if err := unchecked(r, store.Keys, name, into); err != nil {
			return err
		}
	}
	if m.keyring, err = envelope.OpenKeyring(m.root, s.Tenant, s.KEK, kek.Sealed); err != nil {
		return err
	}
	if err := m.openOld(r); err != nil {
		return err
	}
	if err := m.openOldRoot(r); err != nil {
		return err
	}
	if m.auditKey, err = m.signer(seal.RoleAudit, s.AuditKey, aud.Sealed); err != nil {
		return err
	}
	m.tokenKey, err = m.signer(seal.RoleToken, s.TokenKey, tok.Sealed)
	return err
}

// openOld opens the keyring whose values are being wrapped anew.
func (m *material) openOld(r store.Reader) (err error) {
	if s := m.state.Turn.Stage; s != stageRewrap && s != stageRecords {
		return nil
	}
	var kek sealedKey
	if err := unchecked(r, store.Keys, kekRecord(m.state.Turn.Old), &kek); err != nil {
		return err
	}
	m.old, err = envelope.OpenKeyring(m.root, m.state.Tenant, m.state.Turn.Old, kek.Sealed)
	return err
}

// openOldRoot opens the root key that authenticates some records still.
func (m *material) openOldRoot(r store.Reader) (err error) {
	t := m.state.Turn
	if t.Stage != stageRecords {
		return nil
	}
	var root sealedKey
	if err := unchecked(r, store.Keys, rootRecord(t.Root), &root); err != nil {
		return err
	}
	m.oldRoot, err = m.root.OpenRoot(m.state.Tenant, t.Root, root.Sealed)
	return err
}

func (m *material) signer(role seal.Role, id string, blob []byte) (ed25519.PrivateKey, error) {
	seed, err := m.root.Open(role, m.state.Tenant, id, blob)
	if err != nil {
		return nil, fmt.Errorf("opening %s key: %w", role, err)
	}
	defer clear(seed)
	if len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("opening %s key: wrong size", role)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// unchecked decodes a record whose MAC cannot be checked yet.
func unchecked(r store.Reader, b store.Bucket, key string, into any) error {
	rec, ok := audit.ParseRecord(r.Get(b, []byte(key)))
	if !ok || json.Unmarshal(rec.Content, into) != nil {
		return &audit.TamperError{What: fmt.Sprintf("record %s/%s", b, key), Problem: "it is missing or malformed"}
	}
	return nil
}

// authenticate checks the records that were read before the root key was known.
func (v *Vault) authenticate(r store.Reader) error {
	for _, b := range []store.Bucket{store.Vault, store.Slots, store.Keys} {
		err := r.Scan(b, nil, func(k, raw []byte) (bool, error) {
			_, err := v.log.Check(r, audit.Object{Bucket: b, Key: string(k)}, raw)
			return err == nil, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
