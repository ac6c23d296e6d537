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
// and opens it unclaimed. A key file that is already there is used: it is what
// a creation that was cut short leaves behind.
func Create(cfg Config) (*Vault, error) {
	cfg.fill()
	if err := prepareDir(cfg); err != nil {
		return nil, err
	}
	key, err := seal.ReadKeyFile(cfg.keyFile())
	if errors.Is(err, seal.ErrMissing) {
		key, err = seal.CreateKeyFile(cfg.keyFile())
		if errors.Is(err, fs.ErrExist) { // another start was faster
			err = fmt.Errorf("%w: %q", ErrExists, cfg.Dir)
		}
	}
	if err != nil {
		return nil, err
	}
	v := newVault(cfg)
	if v.db, err = store.Open(v.storeConfig(false)); err != nil {
		return nil, err
	}
	if err := v.birth(key); err != nil {
		return nil, errors.Join(err, v.abandon())
	}
	v.run()
	return v, nil
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

func prepareDir(cfg Config) error {
	if err := os.MkdirAll(filepath.Dir(filepath.Clean(cfg.Dir)), 0o755); err != nil {
		return fmt.Errorf("making data dir: %w", err)
	}
	if err := os.Mkdir(cfg.Dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("making data dir: %w", err)
	}
	if err := peer.CheckPrivate(cfg.Dir, true); err != nil {
		return err
	}
	exists, err := Exists(cfg)
	if err == nil && exists {
		err = fmt.Errorf("%w: %q", ErrExists, cfg.Dir)
	}
	return err
}

func newVault(cfg Config) *Vault {
	v := &Vault{cfg: cfg, dead: make(chan struct{}), sealAsked: make(chan struct{}), outbox: newOutbox(), rotations: newRotations(), indexing: newIndexing()}
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
func (v *Vault) birth(key *seal.FileKey) error {
	m, err := newMaterial()
	if err != nil {
		return err
	}
	if err := v.use(m); err != nil {
		return err
	}
	v.log = audit.New(v.auditConfig(m))
	changes, err := m.changes(key, v.cfg)
	if err != nil {
		return err
	}
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

// changes are the records that a new vault begins with.
func (m *material) changes(key *seal.FileKey, cfg Config) ([]audit.Change, error) {
	m.state.Created = cfg.Now().UTC()
	slot, err := seal.NewSlot(m.root, m.state.Tenant, key, cfg.argon2())
	if err != nil {
		return nil, err
	}
	content, err := slot.Marshal()
	if err != nil {
		return nil, err
	}
	changes := []audit.Change{
		put(store.Vault, stateKey, m.state),
		{Object: audit.Object{Bucket: store.Slots, Key: string(slot.ID)}, Content: content},
	}
	for _, k := range m.sealed() {
		blob, err := k.seal()
		if err != nil {
			return nil, fmt.Errorf("sealing %s: %w", k.name, err)
		}
		changes = append(changes, put(store.Keys, k.name, sealedKey{blob}))
	}
	return changes, nil
}
