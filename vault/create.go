package vault

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/internal/peer"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/envelope"
	"github.com/agent-secret-store/assd/vault/seal"
)

// ErrExists says that a data dir already holds a vault.
var ErrExists = errors.New("there is a vault here already")

// Create makes a new vault in cfg.Dir, which it makes too where it is missing,
// with the slots that cfg.Seals says, and opens it unclaimed.
func Create(cfg Config) (*Vault, error) {
	cfg.fill()
	made, err := prepare(cfg)
	if err != nil {
		return nil, err
	}
	m, err := newMaterial()
	if err != nil {
		return nil, err
	}
	v := newVault(cfg)
	v.roots.Store(&roots{key: m.root}) // from here on abandon wipes it
	secrets, err := cfg.seals(m.state.Tenant)
	defer wipeAll(secrets)
	if err == nil {
		v.db, err = store.Open(v.storeConfig(false))
	}
	if err == nil {
		err = v.birth(m, secrets)
	}
	if err != nil {
		err = errors.Join(err, v.abandon())
		if made {
			_ = os.Remove(cfg.Dir) // if nothing is in it
		}
		return nil, err
	}
	v.run()
	return v, nil
}

// seals makes what opens the slots of the new vault.
func (c Config) seals(tenant string) ([]seal.Secret, error) {
	if c.Seals != nil {
		return c.Seals(tenant)
	}
	key, err := c.MakeKeyFile()
	if err != nil {
		return nil, err
	}
	return []seal.Secret{key}, nil
}

// MakeKeyFile makes the key file of a new vault. One that is already there is used: it
// is what a creation that was cut short leaves behind.
func (c Config) MakeKeyFile() (*seal.FileKey, error) {
	key, err := seal.ReadKeyFile(c.keyFile())
	if errors.Is(err, seal.ErrMissing) {
		key, err = seal.CreateKeyFile(c.keyFile())
		if errors.Is(err, fs.ErrExist) { // another start was faster
			err = fmt.Errorf("%w: %q", ErrExists, c.Dir)
		}
	}
	return key, err
}

func wipeAll(secrets []seal.Secret) {
	for _, s := range secrets {
		s.Wipe()
	}
}

// Exists reports whether cfg.Dir holds a vault, or the start of one that was
// cut short and may be begun again (false).
func Exists(cfg Config) (bool, error) {
	if _, err := os.Lstat(cfg.dbFile()); err == nil {
		return born(cfg)
	} else if !errors.Is(err, os.ErrNotExist) {
		return false, fmt.Errorf("looking for a vault: %w", err)
	}
	if headKept(cfg) {
		return false, fmt.Errorf("%q is missing, but %q says that a vault was here: put the data file back, or move the head file away to begin a new vault",
			cfg.dbFile(), cfg.headFile())
	}
	return false, nil
}

// born reports whether the data file has its first event; one without, and
// without a head beside it, is left of a creation that was cut short.
func born(cfg Config) (bool, error) {
	if headKept(cfg) {
		return true, nil
	}
	db, err := store.Open(store.Config{Path: cfg.dbFile(), ReadOnly: true, MustExist: true})
	if err != nil {
		return false, err
	}
	defer db.Close()
	found := false
	err = db.View(func(s *store.Snapshot) error {
		k, _ := s.Last(store.Audit)
		slot, _ := s.Last(store.Slots)
		found = k != nil || slot != nil
		return nil
	})
	return found, err
}

// headKept reports whether a head was ever written; the file alone is made
// before the first one is.
func headKept(cfg Config) bool {
	info, err := os.Lstat(cfg.headFile())
	return err == nil && info.Size() > 0
}

// makeDir makes the data dir, unless it is there, and sees that it is this user's alone.
func makeDir(dir string) (made bool, err error) {
	if err := os.MkdirAll(filepath.Dir(filepath.Clean(dir)), 0o755); err != nil {
		return false, fmt.Errorf("making data dir: %w", err)
	}
	err = os.Mkdir(dir, 0o700)
	if made = err == nil; !made && !errors.Is(err, os.ErrExist) {
		return false, fmt.Errorf("making data dir: %w", err)
	}
	return made, peer.CheckPrivate(dir, true)
}

// prepare makes the data dir and sees that it holds no vault.
func prepare(cfg Config) (made bool, err error) {
	if made, err = makeDir(cfg.Dir); err != nil {
		return made, err
	}
	exists, err := Exists(cfg)
	if err == nil && exists {
		err = fmt.Errorf("%w: %q", ErrExists, cfg.Dir)
	}
	return made, err
}

func newVault(cfg Config) *Vault {
	v := &Vault{
		cfg: cfg, dead: make(chan struct{}), sealAsked: make(chan struct{}),
		outbox: newOutbox(), rotations: newRotations(), indexing: newIndexing(), turning: newTurning(),
	}
	v.setChain("running")
	return v
}

func (v *Vault) storeConfig(mustExist bool) store.Config {
	return store.Config{
		Path: v.cfg.dbFile(), ReservePath: v.cfg.reserveFile(), MustExist: mustExist, Now: v.cfg.Now,
		Prepare:   func(tx *store.Tx) error { return v.log.Sign(tx) },
		Committed: v.committed,
	}
}

// birth writes event 1 and all that a vault begins with, in one commit.
func (v *Vault) birth(m *material, secrets []seal.Secret) error {
	if err := v.use(m); err != nil {
		return err
	}
	v.log = audit.New(v.auditConfig(m))
	changes, err := m.changes(secrets, v.cfg)
	if err != nil {
		return err
	}
	v.roots.Load().slot = m.slot // nobody else has it yet
	return v.db.Update(context.Background(), func(tx *store.Tx) error {
		if k, _ := tx.Last(store.Audit); k != nil { // another start was faster
			return fmt.Errorf("%w: %q", ErrExists, v.cfg.Dir)
		}
		_, err := v.log.Append(tx, audit.Event{
			Actor: daemonActor, Action: audit.VaultInit, Outcome: audit.OK,
			Vault: &audit.Birth{Tenant: m.state.Tenant, VerifyKey: v.log.VerifyKey(), Epoch: m.state.Epoch},
		}, changes...)
		return err
	})
}

var daemonActor = audit.Actor{ID: "daemon", Kind: "daemon", Name: "assd"}

// newMaterial makes fresh keys for a new vault.
func newMaterial() (*material, error) {
	m := &material{root: seal.NewRootKey()}
	m.state = state{
		Tenant: newID("ten"), Epoch: 1,
		KEK: newID("kek"), AuditKey: newID("aud"), TokenKey: newID("jwk"),
	}
	var err error
	if m.keyring, err = envelope.NewKeyring(m.state.KEK); err != nil {
		return nil, err
	}
	_, m.auditKey, _ = ed25519.GenerateKey(rand.Reader)
	_, m.tokenKey, _ = ed25519.GenerateKey(rand.Reader)
	return m, nil
}

// changes are the records that a new vault begins with: one slot for each secret.
func (m *material) changes(secrets []seal.Secret, cfg Config) ([]audit.Change, error) {
	m.state.Created = cfg.Now().UTC()
	changes := []audit.Change{put(store.Vault, stateKey, m.state)}
	for _, secret := range secrets {
		slot, err := seal.NewSlot(m.root, m.state.Tenant, secret, cfg.argon2())
		if err != nil {
			return nil, err
		}
		change, err := slotChange(slot)
		if err != nil {
			return nil, err
		}
		changes = append(changes, change)
		if m.slot == "" { // as good as opened with it
			m.slot = slot.ID
		}
	}
	keys, err := m.keyChanges()
	return append(changes, keys...), err
}

// keyChanges are the records of the vault's keys.
func (m *material) keyChanges() (changes []audit.Change, err error) {
	for _, k := range m.sealed() {
		blob, err := k.seal()
		if err != nil {
			return nil, fmt.Errorf("sealing %s: %w", k.name, err)
		}
		changes = append(changes, put(store.Keys, k.name, sealedKey{blob}))
	}
	return changes, nil
}
