package main

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"github.com/agent-secret-store/assd/internal/wipe"
)

// maxPassphrase is the longest approval passphrase, in bytes.
const maxPassphrase = 1024

// passphraseFile is the file of flag or environment, "" when neither is there.
func (a *app) passphraseFile() (string, error) {
	if a.PassphraseFile == nil {
		return os.Getenv("ASS_PASSPHRASE_FILE"), nil
	}
	if *a.PassphraseFile == "" {
		return "", usage("--passphrase-file is empty", "leave it out to be asked on the terminal")
	}
	return *a.PassphraseFile, nil
}

// readPassphrase reads a passphrase from a file or a pipe, without the one newline
// at its end. A file that others can write is refused, and a remark made about one
// that they can read.
func (a *app) readPassphrase(path, flag string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, passphraseFault(flag, bareError(err))
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, passphraseFault(flag, bareError(err))
	}
	if info.Mode().IsRegular() {
		remark, err := lookAtPassphraseFile(info, path)
		if err != nil {
			return nil, passphraseFault(flag, err)
		}
		if remark != "" {
			a.note("Note: " + remark)
		}
	}
	text, err := wipe.ReadAll(io.LimitReader(f, maxPassphrase+2), maxPassphrase+2)
	if err != nil {
		return nil, passphraseFault(flag, bareError(err))
	}
	return checkPassphrase(text, flag)
}

// checkPassphrase drops the newline, and clears a text that is no passphrase.
func checkPassphrase(text []byte, flag string) ([]byte, error) {
	line := bytes.TrimSuffix(text, []byte("\n"))
	switch {
	case len(line) == 0:
		return nil, usage("the file of "+flag+" is empty", "put the passphrase into it, in one line")
	case len(line) > maxPassphrase:
		clear(text)
		return nil, usage(fmt.Sprintf("the file of %s is longer than %d bytes", flag, maxPassphrase), "a passphrase is one line")
	}
	return line, nil
}

// passphraseFault says what is wrong with the file, whose name may be anything.
func passphraseFault(flag string, err error) error {
	return usage("the file of "+flag+" cannot be used: "+err.Error(), "give another file, with the passphrase in one line")
}
