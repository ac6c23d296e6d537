package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/agent-secret-store/assd/internal/helper"
	"github.com/agent-secret-store/assd/internal/keyring"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/seal"
)

// credentialName is the key file's name among systemd's credentials.
const credentialName = "assd.key"

// vault is the configuration of the vault that the flags name, with what opens it.
func (d dataFlags) vault() vault.Config {
	key, given := d.keyFile()
	cfg := vault.Config{Dir: d.dataDir(), KeyFile: key}
	if given {
		cfg.KeyFile = "" // nothing can be written there: the head file lies in the data dir
	}
	if key == "" {
		key = filepath.Join(cfg.Dir, "root.key")
	}
	cfg.Openers = []vault.Opener{d.fileOpener(key), d.memo.once(d.commandOpener())}
	if os.Getuid() == os.Geteuid() { // a keyring is a user's, and this may be half another's yet
		cfg.Openers = append(cfg.Openers, d.memo.once(keyringOpener()))
	}
	return cfg
}

// fileOpener opens file slots with the key file at path.
func (d dataFlags) fileOpener(path string) vault.Opener {
	o := vault.FileOpener(path)
	read := o.Secret
	o.Secret = func(ctx context.Context, tenant string) (seal.Secret, error) {
		secret, err := read(ctx, tenant)
		return secret, d.Typed.unnamed("--key-file", path, err)
	}
	return o
}

// keyFile is the key file that is named, and whether systemd has given it; "": none is.
func (d dataFlags) keyFile() (path string, given bool) {
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if d.KeyFile == "" && filepath.IsAbs(dir) {
		if _, err := os.Lstat(filepath.Join(dir, credentialName)); err == nil {
			return filepath.Join(dir, credentialName), true
		}
	}
	return d.KeyFile, dir != "" && filepath.Dir(d.KeyFile) == filepath.Clean(dir)
}

// commandOpener opens command slots with what the operator's command prints.
func (d dataFlags) commandOpener() vault.Opener {
	what := "seal-command"
	if argv, err := splitCommand(d.SealCommand); err == nil && len(argv) > 0 {
		what = fmt.Sprintf("seal-command %q", argv[0])
	}
	return vault.Opener{Kind: seal.KindCommand, What: what, Secret: func(ctx context.Context, _ string) (seal.Secret, error) {
		return d.commandSecret(ctx)
	}}
}

// errNoCommand says what a command slot wants.
var errNoCommand = errors.New(`a slot of this vault is opened by a command, and none is named: seal-command = "/path/to/program" in assd.toml, or --seal-command; one in a changed assd.toml that no owner has accepted does not count`)

// commandSecret runs the operator's command.
func (d dataFlags) commandSecret(ctx context.Context) (seal.Secret, error) {
	argv, err := splitCommand(d.SealCommand)
	switch {
	case err != nil:
		return nil, &exitError{2, fmt.Errorf("--seal-command: %w", err)}
	case len(argv) == 0:
		return nil, errNoCommand
	}
	cmd := sealCommand(argv)
	if u := d.asUser; u != nil && os.Getuid() != os.Geteuid() {
		// What it starts could go back to root, as this process still can.
		cmd.As = &syscall.Credential{Uid: uint32(u.UID), Gid: uint32(u.GID), NoSetGroups: true}
		cmd.Start = u.AsRoot
	}
	p, err := cmd.Run(ctx)
	return printedSecret(p.Out, p.Err, d.Typed.unnamed("--seal-command", argv[0], err))
}

// printedSecret is the secret of a command that has ended, or why there is none.
func printedSecret(out, errs []byte, err error) (seal.Secret, error) {
	defer clear(out)
	if err != nil {
		return nil, fmt.Errorf("seal-command: %w%s", err, lastWords(errs))
	}
	secret, err := seal.NewCommandSecret(bytes.Clone(out))
	if err != nil {
		return nil, fmt.Errorf("seal-command: %w%s", err, lastWords(errs))
	}
	return secret, nil
}

// lastWords is the last line that a command wrote to standard error, quoted.
func lastWords(text []byte) string {
	text = bytes.TrimRight(text, "\r\n \t")
	if i := bytes.LastIndexByte(text, '\n'); i >= 0 {
		text = text[i+1:]
	}
	if len(text) == 0 {
		return ""
	}
	return fmt.Sprintf("; it said %q", strings.ToValidUTF8(string(text[:min(len(text), 200)]), "…"))
}

// keyringOpener opens keyring slots with what this user's keyring keeps.
func keyringOpener() vault.Opener {
	return vault.Opener{Kind: seal.KindKeyring, What: "entry in the keyring", Secret: func(ctx context.Context, tenant string) (seal.Secret, error) {
		text, err := keyring.Get(ctx, tenant)
		if err != nil {
			return nil, err
		}
		defer clear(text)
		key, err := seal.ParseKeyringKey(text)
		if err != nil {
			return nil, fmt.Errorf("the entry of this vault in the keyring: %w", err)
		}
		return key, nil
	}}
}

// passphraseOpener opens passphrase slots with the passphrase in a file, or one that is
// asked for on the terminal.
func passphraseOpener(path string) vault.Opener {
	const flag = "--unseal-passphrase-file"
	return vault.Opener{Kind: seal.KindPassphrase, What: "passphrase", Secret: func(context.Context, string) (seal.Secret, error) {
		text, err := askPassphrase(path, flag, "Passphrase that opens the vault", false)
		if err != nil {
			return nil, err
		}
		p, err := seal.NewPassphrase(text)
		if err != nil { // so it cannot be the right one
			return nil, seal.ErrWrongPassphrase
		}
		return p, nil
	}}
}

// memo remembers what openers gave for as long as one command, or a start, opens the
// vault several times: a person should have to touch a key once. nil remembers nothing.
type memo struct {
	secrets map[seal.Kind]seal.Secret
	errs    map[seal.Kind]error
}

func newMemo() *memo {
	return &memo{secrets: map[seal.Kind]seal.Secret{}, errs: map[seal.Kind]error{}}
}

// once is o, asked once.
func (m *memo) once(o vault.Opener) vault.Opener {
	ask := o.Secret
	o.Secret = func(ctx context.Context, tenant string) (seal.Secret, error) {
		if m == nil || m.secrets == nil {
			return ask(ctx, tenant)
		}
		if s, known := m.secrets[o.Kind]; known {
			return seal.Lent(s), nil
		}
		if err, known := m.errs[o.Kind]; known {
			return nil, err
		}
		s, err := ask(ctx, tenant)
		if err != nil {
			m.errs[o.Kind] = err
			return nil, err
		}
		m.secrets[o.Kind] = s
		return seal.Lent(s), nil
	}
	return o
}

// wipe forgets everything; from then on nothing is remembered.
func (m *memo) wipe() {
	if m == nil {
		return
	}
	for _, s := range m.secrets {
		s.Wipe()
	}
	m.secrets, m.errs = nil, nil
}

// sealCommand is a command whose output opens a slot.
func sealCommand(argv []string) helper.Command {
	return helper.Command{Argv: argv, Timeout: sealCommandTime, Max: seal.MaxPrinted}
}
