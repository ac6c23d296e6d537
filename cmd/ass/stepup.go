package main

import (
	"errors"

	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/client"
)

// passphraseTries is how often a wrong passphrase may be typed.
const passphraseTries = 3

// stepUp gives the requests of one command the approval passphrase, from when the
// daemon first asks for it. What is sent is a copy that cannot be wiped; it goes
// with the process, which leaves no core dump.
type stepUp struct {
	a     *app
	text  []byte // nil before the daemon has asked
	typed bool   // on the terminal
}

// stepUp begins a command that may need the passphrase; wipe ends it.
func (a *app) stepUp() *stepUp { return &stepUp{a: a} }

func (s *stepUp) wipe() {
	clear(s.text)
	s.text = nil
}

// withPassphrase is a command that consists of one request.
func (a *app) withPassphrase(act string, send func(passphrase *string) error) error {
	s := a.stepUp()
	defer s.wipe()
	return s.do(act, send)
}

// guarded is withPassphrase for an act that takes the passphrase wherever there is
// one: it is asked for at once, so that the trail tells of no refusal that nobody
// meant.
func (a *app) guarded(cl *client.Client, act string, send func(passphrase *string) error) error {
	s := a.stepUp()
	defer s.wipe()
	if err := s.ahead(cl, act); err != nil {
		return err
	}
	return s.do(act, send)
}

// ahead fetches the passphrase if the caller has one. What is wrong otherwise, the
// request itself is told.
func (s *stepUp) ahead(cl *client.Client, act string) error {
	if !s.a.takesPassphrase(cl) {
		return nil
	}
	return s.fetch(act, "")
}

// takesPassphrase reports whether the caller is an owner who has a passphrase.
func (a *app) takesPassphrase(cl *client.Client) bool {
	me, err := cl.Me(a.ctx)
	return err == nil && me.Protection != nil && me.Protection.OwnPassphrase
}

// do sends a request without a passphrase and, when the daemon wants one, again
// with it. What the passphrase is asked for is act, in our words or quoted. A wrong
// one that was typed can be typed again.
func (s *stepUp) do(act string, send func(passphrase *string) error) error {
	if s.text == nil {
		if err := send(nil); !wantsPassphrase(err) {
			return err
		}
		if err := s.fetch(act, ""); err != nil {
			return err
		}
	}
	for try := 1; ; try++ {
		text := string(s.text)
		err := send(&text)
		if !wantsPassphrase(err) || !s.typed || try == passphraseTries {
			return err
		}
		if err := s.fetch(act, "│ "+foreign(err.Error(), maxMessage)+"\n"); err != nil {
			return err
		}
	}
}

// fetch reads the passphrase from the file, or asks for it after what stands before.
func (s *stepUp) fetch(act, before string) error {
	s.wipe()
	path, err := s.a.passphraseFile()
	if err != nil {
		return err
	}
	if s.typed = path == ""; s.typed {
		s.text, err = askPassphrase(before + "◆ Approval passphrase, to " + act + " (not shown): ")
	} else {
		s.text, err = s.a.readPassphrase(path, "--passphrase-file")
	}
	return err
}

// askPassphrase asks for a passphrase; without a terminal it is a usage error.
func askPassphrase(prompt string) ([]byte, error) {
	text, err := askHidden(prompt, "")
	switch {
	case errors.Is(err, errNoTerminal):
		return nil, usage("this needs the approval passphrase, and there is no terminal to ask on", "add --passphrase-file FILE, or set ASS_PASSPHRASE_FILE")
	case err == nil && len(text) == 0:
		return nil, usage("no passphrase was typed", "type it, or add --passphrase-file FILE")
	}
	return text, err
}

// wantsPassphrase reports whether the daemon refused for want of the passphrase,
// or of the right one.
func wantsPassphrase(err error) bool {
	return errors.Is(err, &api.Error{Code: api.CodeStepUpRequired})
}
