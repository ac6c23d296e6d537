package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/agent-secret-store/assd/internal/keyring"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/seal"
)

// sealFlags say what is to open a vault that is made.
type sealFlags struct {
	Seal string `env:"ASSD_SEAL" enum:"file,passphrase,command,keyring" default:"file" help:"What opens a new vault: file (a key file), passphrase, command (what --seal-command prints) or keyring (of this user's session)."`
}

// seals makes what opens the slots of a new vault.
func (s sealFlags) seals(d dataFlags, passphrase func() ([]byte, error)) func(tenant string) ([]seal.Secret, error) {
	return func(tenant string) ([]seal.Secret, error) {
		secret, err := s.secret(d, tenant, passphrase)
		if err != nil {
			return nil, err
		}
		return []seal.Secret{secret}, nil
	}
}

func (s sealFlags) secret(d dataFlags, tenant string, passphrase func() ([]byte, error)) (seal.Secret, error) {
	switch seal.Kind(s.Seal) {
	case seal.KindPassphrase:
		text, err := passphrase()
		if err != nil {
			return nil, err
		}
		p, err := seal.NewPassphrase(text)
		if err != nil {
			return nil, &exitError{2, err}
		}
		return p, nil
	case seal.KindCommand:
		if d.SealCommand == "" {
			return nil, &exitError{2, errors.New(`--seal command needs the command: --seal-command "/path/to/program", or seal-command in assd.toml`)}
		}
		return d.commandSecret(context.Background())
	case seal.KindKeyring:
		return newKeyringKey(tenant)
	default:
		return d.newKeyFile()
	}
}

// newKeyFile is the key of the key file, which is made, but for one that systemd gives.
func (d dataFlags) newKeyFile() (seal.Secret, error) {
	path, given := d.keyFile()
	make := d.vault().MakeKeyFile
	if given {
		make = func() (*seal.FileKey, error) { return seal.ReadKeyFile(path) }
	}
	key, err := make()
	if err != nil {
		return nil, d.Typed.unmade("--key-file", path, err)
	}
	return key, nil
}

// newKeyringKey makes a key that this user's keyring keeps.
func newKeyringKey(tenant string) (seal.Secret, error) {
	key, text := seal.NewKeyringKey()
	defer clear(text)
	if err := keyring.Set(context.Background(), tenant, text); err != nil {
		key.Wipe()
		return nil, err
	}
	return key, nil
}

// noPassphrase refuses to make a vault under one where nobody is asked.
func noPassphrase() ([]byte, error) {
	return nil, &exitError{2, errors.New("a daemon asks for no passphrase: make the vault first, with assd init --seal passphrase")}
}

// withRecovery adds a slot for a passphrase that is made. text is told once the vault is there.
func withRecovery(seals func(string) ([]seal.Secret, error)) (_ func(string) ([]seal.Secret, error), text string) {
	p, text := seal.GeneratePassphrase()
	return func(tenant string) ([]seal.Secret, error) {
		secrets, err := seals(tenant)
		if err != nil {
			p.Wipe()
			return nil, err
		}
		return append(secrets, p), nil
	}, text
}

// unsealFlags are for commands that open a vault with the daemon stopped.
type unsealFlags struct {
	UnsealPassphraseFile string `placeholder:"FILE" help:"Where only a passphrase opens the vault, read it from this file, without its last newline, instead of asking on the terminal."`
}

// unsealing is the configuration of the vault that d names, also opened by a passphrase.
// end forgets what opened it.
func (u unsealFlags) unsealing(d dataFlags) (cfg vault.Config, end func()) {
	d.memo = newMemo()
	cfg = d.vault()
	cfg.Openers = append(cfg.Openers, d.memo.once(passphraseOpener(u.UnsealPassphraseFile)))
	return cfg, d.memo.wipe
}

// check refuses flags that do not go together, before anything is made.
func (s sealFlags) check(d dataFlags) error {
	if _, err := splitCommand(d.SealCommand); err != nil {
		return &exitError{2, fmt.Errorf("--seal-command: %w", err)}
	}
	return nil
}
