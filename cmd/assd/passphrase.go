package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"

	"github.com/agent-secret-store/assd/internal/operator"
	"github.com/agent-secret-store/assd/internal/wipe"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/seal"
)

type passphraseCmd struct {
	Set passphraseSetCmd `cmd:"" help:"Set an owner's approval passphrase."`
}

type passphraseSetCmd struct {
	dataFlags         `embed:""`
	unsealFlags       `embed:""`
	Owner             string `placeholder:"NAME" help:"Whose it is (default: the only owner's)."`
	PassphraseFile    string `placeholder:"FILE" help:"Read the new passphrase from this file, without its last newline, instead of asking on the terminal."`
	OldPassphraseFile string `placeholder:"FILE" help:"The same for the one in force, or for the recovery passphrase."`
}

func (passphraseSetCmd) Help() string {
	return `With an approval passphrase, values of sensitive and critical secrets are sealed to
a key that only the passphrase opens: nobody reads one without it, not with an
owner's key and not with copies of all files. Approving, reading such a secret as
an owner, lowering a tier, making owners and agents, lifting a lockdown and
accepting a policy ask for it, each time.

The daemon must be stopped. Setting the first one seals what is there anew and
writes the data file anew; older copies of it still open without. It prints a
recovery passphrase, once. A vault that has one asks for the old one, or for the
recovery passphrase.

Examples:
  assd passphrase set --data-dir /srv/vault
  assd passphrase set --passphrase-file new.txt
  assd passphrase set --owner bob --old-passphrase-file recovery.txt`
}

// Run sets the passphrase.
func (c *passphraseSetCmd) Run(out output, file *fileConfig) error {
	cfg, end := c.unsealing(c.dataFlags)
	defer end()
	has, err := vault.HasPassphrase(cfg)
	if err != nil {
		return stillServed(err)
	}
	want := vault.PassphraseSetting{Owner: c.Owner, Config: file.text, Told: func(text string) error { return tellRecovery(out, text) }}
	if has {
		if want.Old, err = askPassphrase(c.OldPassphraseFile, "--old-passphrase-file", "Passphrase in force, or the recovery passphrase", false); err != nil {
			return err
		}
	}
	if want.New, err = askPassphrase(c.PassphraseFile, "--passphrase-file", "New approval passphrase", true); err != nil {
		return err
	}
	recovery, err := vault.SetPassphrase(context.Background(), cfg, want)
	switch {
	case errors.Is(err, seal.ErrWrongPassphrase):
		return errors.New("the passphrase in force is another one; the recovery passphrase, which was printed with the first one, opens it too")
	case err != nil && recovery != "":
		return fmt.Errorf("the passphrase is set, but sealing what is there to it is not finished, and the next start of assd goes on with it: %w", err)
	case err != nil:
		return stillServed(err)
	case recovery == "":
		_, err = fmt.Fprintln(out.stdout, "The approval passphrase is set. Older copies of the data file still open with the old one.")
		return err
	}
	_, err = fmt.Fprint(out.stdout, "\nThe approval passphrase is set, and what needs a person is sealed to it.\n"+
		"Older copies of the data file open without it: delete them.\n")
	return err
}

// tellRecovery comes before what takes long: the text is made only once.
func tellRecovery(out output, recovery string) error {
	_, err := fmt.Fprintf(out.stdout, `Recovery passphrase:  %s   <- write it down, it is shown once
Should the approval passphrase be forgotten, another is set with it, with assd stopped:
assd passphrase set --old-passphrase-file FILE. It reads nothing, and does not open the vault.
`, recovery)
	return err
}

// stillServed says what to do about a vault that a daemon has open.
func stillServed(err error) error {
	if errors.Is(err, store.ErrLocked) {
		return fmt.Errorf("%w; stop assd first", err)
	}
	return err
}

// maxPassphrase is the most that is read of a passphrase's file, in bytes.
const maxPassphrase = 4 << 10

// askPassphrase reads one from a file, or asks on the terminal; a new one twice.
func askPassphrase(path, flag, prompt string, twice bool) ([]byte, error) {
	if path != "" {
		return readPassphrase(path, flag)
	}
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, &exitError{2, fmt.Errorf("there is no terminal to ask on: give %s FILE", flag)}
	}
	defer tty.Close()
	first, err := askHidden(tty, prompt)
	if err != nil || !twice {
		return first, err
	}
	again, err := askHidden(tty, "The same again")
	defer clear(again)
	if err == nil && !bytes.Equal(first, again) {
		err = errors.New("the two are not the same; nothing was changed")
	}
	if err != nil {
		clear(first)
		return nil, err
	}
	return first, nil
}

func askHidden(tty *os.File, prompt string) ([]byte, error) {
	fmt.Fprintf(tty, "%s (not shown): ", prompt)
	defer fmt.Fprintln(tty)
	state, err := term.GetState(int(tty.Fd()))
	if err != nil {
		return nil, fmt.Errorf("asking on the terminal: %w", err)
	}
	// An interrupt ends the process as always, but not without an echo.
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(stop)
	asked := make(chan struct{})
	defer close(asked)
	go func() {
		select {
		case <-asked:
		case s := <-stop:
			_ = term.Restore(int(tty.Fd()), state)
			fmt.Fprintln(tty)
			signal.Reset(s)
			_ = syscall.Kill(os.Getpid(), s.(syscall.Signal))
		}
	}()
	b, err := term.ReadPassword(int(tty.Fd()))
	if err != nil {
		return nil, fmt.Errorf("asking on the terminal: %w", err)
	}
	return b, nil
}

func readPassphrase(path, flag string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, &exitError{2, unnamed("the file of "+flag, path, fmt.Errorf("%s: %w", flag, err))}
	}
	var b []byte
	if info.Mode().IsRegular() {
		b, err = operator.File{Path: path, Max: maxPassphrase, What: "passphrase file", Flag: flag}.Read()
	} else {
		b, err = readPipe(path)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return bytes.TrimSuffix(b, []byte("\n")), nil
}

// readPipe reads what a shell hands over as /dev/fd/N.
func readPipe(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return wipe.ReadAll(io.LimitReader(f, maxPassphrase), maxPassphrase)
}
