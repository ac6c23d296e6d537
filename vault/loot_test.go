package vault_test

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
	bolt "go.etcd.io/bbolt"

	"github.com/agent-secret-store/assd/vault/envelope"
	"github.com/agent-secret-store/assd/vault/seal"
)

// loot is a copy of the data file and of the key file, with all that someone
// makes of both who knows the format.
type loot struct {
	t       tb
	file    []byte // of vault.db
	tenant  string
	keyed   string // id of the approval key, "" without
	bound   string // the tenant that it is bound to
	root    *seal.RootKey
	keyring *envelope.Keyring
	kek     tink.AEAD
	outer   tink.AEAD
	headers map[string]lootHeader
	values  map[string][]byte // by bucket key
	locks   map[string]lootLock
	keys    []*envelope.ApprovalKey // that passphrases have opened
}

type lootHeader struct {
	ID, Tier string
	Current  uint64
	Versions []struct {
		N      uint64
		Digest string
		Meta   bool
	}
}

type lootLock struct {
	Key  string
	Wrap seal.PassphraseWrap
}

// takeLoot copies both files and unlocks what the root key unlocks.
func takeLoot(t tb, dbFile, keyFile string) *loot {
	t.Helper()
	dir, err := os.MkdirTemp("", "vault-loot-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	copied := copyFile(t, dbFile, filepath.Join(dir, "vault.db"))
	key, err := seal.ReadKeyFile(copyFile(t, keyFile, filepath.Join(dir, "root.key")))
	if err != nil {
		t.Fatal(err)
	}
	l := &loot{t: t, headers: map[string]lootHeader{}, values: map[string][]byte{}, locks: map[string]lootLock{}}
	if l.file, err = os.ReadFile(copied); err != nil {
		t.Fatal(err)
	}
	inspectFile(t, copied, func(tx *bolt.Tx) { err = l.unlock(tx, key) })
	if err != nil {
		t.Fatalf("taking the loot apart: %v", err)
	}
	return l
}

func (l *loot) unlock(tx *bolt.Tx, key *seal.FileKey) (err error) {
	var state struct {
		Tenant      string `json:"tenant"`
		KEK         string `json:"kek"`
		ApprovalKey string `json:"approval_key"`

		ApprovalTenant string `json:"approval_tenant"`
	}
	if err := json.Unmarshal(tx.Bucket([]byte("vault")).Get([]byte("state"))[recordHeader:], &state); err != nil {
		return err
	}
	l.tenant, l.keyed, l.bound = state.Tenant, state.ApprovalKey, cmp.Or(state.ApprovalTenant, state.Tenant)
	err = tx.Bucket([]byte("slots")).ForEach(func(_, v []byte) error {
		slot, err := seal.ParseSlot(v[recordHeader:])
		if err == nil && slot.Kind == seal.KindFile {
			root, wrong := slot.Unlock(l.tenant, key)
			if wrong == nil || !errors.Is(wrong, seal.ErrWrongKey) { // another slot may open
				l.root, err = root, wrong
			}
		}
		return err
	})
	if err == nil {
		err = l.unlockKEK(state.KEK, tx.Bucket([]byte("keys")).Get([]byte("kek/" + state.KEK))[recordHeader:])
	}
	if err == nil {
		l.outer, err = l.root.ApprovalAEAD()
	}
	return errors.Join(err, l.collect(tx))
}

func (l *loot) unlockKEK(id string, record []byte) error {
	var blob struct{ Sealed []byte }
	if err := json.Unmarshal(record, &blob); err != nil {
		return err
	}
	var err error
	if l.keyring, err = envelope.OpenKeyring(l.root, l.tenant, id, blob.Sealed); err != nil {
		return err
	}
	wrap, err := l.root.WrapAEAD()
	if err != nil {
		return err
	}
	handle, err := keyset.ReadWithAssociatedData(sealedKeyset(blob.Sealed), wrap, len16("ass-key-v1", "kek", l.tenant, id))
	if err != nil {
		return err
	}
	l.kek, err = aead.New(handle)
	return err
}

func (l *loot) collect(tx *bolt.Tx) error {
	each := func(bucket string, fn func(k string, v []byte) error) error {
		b := tx.Bucket([]byte(bucket))
		if b == nil { // a vault from before there was such a bucket
			return nil
		}
		return b.ForEach(func(k, v []byte) error { return fn(string(k), bytes.Clone(v)) })
	}
	return errors.Join(
		each("values", func(k string, v []byte) error { l.values[k] = v; return nil }),
		each("secrets", func(k string, v []byte) error {
			var h lootHeader
			err := json.Unmarshal(v[recordHeader:], &h)
			l.headers[k] = h
			return err
		}),
		each("passphrases", func(k string, v []byte) error {
			var lock lootLock
			err := json.Unmarshal(v[recordHeader:], &lock)
			l.locks[k] = lock
			return err
		}),
	)
}

// try tries a passphrase on every record of one, and says how many it opened.
func (l *loot) try(text string) (opened int) {
	l.t.Helper()
	for holder, lock := range l.locks {
		if key, err := l.unwrap(l.outer, holder, lock, text); err == nil {
			l.keys = append(l.keys, key)
			opened++
		}
	}
	return opened
}

func (l *loot) unwrap(outer tink.AEAD, holder string, lock lootLock, text string) (*envelope.ApprovalKey, error) {
	p, err := seal.NewPassphrase([]byte(text))
	if err != nil {
		return nil, err
	}
	private, err := lock.Wrap.Unwrap(outer, l.bound, lock.Key, holder, p)
	if err != nil {
		return nil, err
	}
	return envelope.OpenApprovalKey(lock.Key, private)
}

func (l *loot) place(p string, n uint64) envelope.Place {
	return envelope.Place{Tenant: l.tenant, SecretID: l.headers[p].ID, Path: p, Version: n}
}

func (l *loot) sealed(p string, n uint64) []byte {
	return l.values[string(binary.BigEndian.AppendUint64([]byte(l.headers[p].ID+"/"), n))]
}

// open opens a version with whatever there is.
func (l *loot) open(p string, n uint64) (envelope.Payload, error) {
	sealed := l.sealed(p, n)
	pay, err := l.keyring.Open(l.place(p, n), sealed)
	for _, key := range l.keys {
		if err != nil {
			at := l.place(p, n)
			at.Tenant = l.bound
			pay, err = key.Open(at, sealed)
		}
	}
	return pay, err
}

// wantOpens wants a version to open and to be that.
func (l *loot) wantOpens(p string, n uint64, value, metadata string) {
	l.t.Helper()
	pay, err := l.open(p, n)
	if err != nil {
		l.t.Errorf("%s version %d: %v", p, n, err)
		return
	}
	if string(pay.Value.Reveal()) != value || string(pay.Metadata) != metadata {
		l.t.Errorf("%s version %d is %q with %q, want %q with %q", p, n, pay.Value.Reveal(), pay.Metadata, value, metadata)
	}
}

// leaks are the versions whose DEK the KEK opens from somewhere in the file, be
// it in a page that is free: as "path version". Who has the DEK has the value.
func (l *loot) leaks() map[string]int {
	l.t.Helper()
	found := map[string]int{}
	id := []byte(l.keyring.ID())
	head := append(binary.BigEndian.AppendUint16(nil, uint16(len(id))), id...)
	for at := 0; ; at++ {
		i := bytes.Index(l.file[at:], head)
		if i < 0 {
			return found
		}
		at += i
		rest := l.file[at+len(head):]
		n := int(binary.BigEndian.Uint16(rest))
		if len(rest) < 2+n {
			continue
		}
		wrapped := rest[2 : 2+n]
		for p, h := range l.headers {
			for v := uint64(1); v <= h.Current; v++ {
				bound := binary.BigEndian.AppendUint64(len16("ass-dek-v1", l.tenant, h.ID, p), v)
				if _, err := l.kek.Decrypt(wrapped, append(bound, len16(string(id))...)); err == nil {
					found[fmt.Sprintf("%s %d", p, v)]++
				}
			}
		}
	}
}

func (l *loot) wantNoLeaks(of ...string) {
	l.t.Helper()
	for version, n := range l.leaks() {
		for _, p := range of {
			if strings.HasPrefix(version, p+" ") {
				l.t.Errorf("the key file opens %s, %d times", version, n)
			}
		}
	}
}

// wantOpenable is the consistency check of every house: each kept version of each
// secret is sealed to what its tier says, is the one the header lists, and opens,
// those sealed to the approval key as far as the test knows a passphrase.
func (h *house) wantOpenable() {
	h.t.Helper()
	keyFile := h.cfg.KeyFile
	if keyFile == "" {
		keyFile = h.file("root.key")
	}
	l := takeLoot(h.t, h.file("vault.db"), keyFile)
	if h.phrase != "" && l.try(h.phrase) == 0 {
		h.t.Errorf("the passphrase opens none of %d records", len(l.locks))
	}
	kept := 0
	for p, header := range l.headers {
		for _, v := range header.Versions {
			kept++
			want := l.keyring.ID()
			if l.keyed != "" && header.Tier != "standard" {
				want = l.keyed
			}
			sealed := l.sealed(p, v.N)
			by, err := envelope.SealedBy(sealed)
			digest, bad := envelope.Digest(sealed)
			if err != nil || bad != nil || by != want || digest != v.Digest {
				h.t.Errorf("%s, %s, version %d is sealed to %q, %v, want %q; its digest is %q, want %q", p, header.Tier, v.N, by, err, want, digest, v.Digest)
			}
			if by == l.keyed && len(l.keys) == 0 {
				continue
			}
			pay, err := l.open(p, v.N)
			if err != nil {
				h.t.Errorf("%s version %d does not open: %v", p, v.N, err)
			} else if by == l.keyed && v.Meta != (len(pay.Metadata) > 0) {
				h.t.Errorf("%s version %d: the header says metadata %v, it has %q", p, v.N, v.Meta, pay.Metadata)
			}
		}
	}
	if kept != len(l.values) {
		h.t.Errorf("%d versions are listed, %d values are kept", kept, len(l.values))
	}
}

func unmarshalRecord(raw []byte, into any) error { return json.Unmarshal(raw[recordHeader:], into) }
