package main

import (
	"errors"
	"os"

	"github.com/agent-secret-store/assd/internal/keyring"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/client"
)

type slotsAddCmd struct {
	Seal              string  `required:"" placeholder:"KIND" enum:"file,passphrase,command,keyring" help:"file, passphrase, command or keyring."`
	KeyFile           string  `placeholder:"FILE" help:"With --seal file: where the key is to lie. It must not be there yet."`
	NewPassphraseFile *string `placeholder:"FILE" help:"With --seal passphrase: file or pipe with the new passphrase. Without it you are asked."`
	Generate          bool    `help:"With --seal passphrase: make one, and print it once."`
}

// Help shows examples.
func (slotsAddCmd) Help() string {
	return `Has another secret open the vault; those there are stay. It takes the approval
passphrase where there is one.

  file        a key file is made here, mode 0600; move it to where assd can read it.
              To start with it: stop assd, move the head file from beside the key file
              that it has used to beside this one, and then: assd --key-file FILE
  passphrase  assd starts sealed where nothing else opens it, and waits for ass vault unseal.
              Where there is no approval passphrase, --passphrase-file names this one too.
  command     what the program prints that assd.toml names with seal-command, which assd
              runs on its own machine; restart it first after a change there
  keyring     an entry in your own keyring, for an assd that runs in your session

Examples:

  ass vault slots add --seal passphrase --generate
  ass vault slots add --seal file --key-file /media/stick/vault.key
  ass vault slots add --seal command`
}

// check refuses flags that do not go together.
func (c *slotsAddCmd) check() error {
	passphrase := c.Seal == api.SlotPassphrase
	switch {
	case (c.Seal == api.SlotFile) != (c.KeyFile != ""):
		return usage("--seal file takes --key-file FILE, the file to make, and no other kind does", "ass vault slots add --seal file --key-file FILE")
	case !passphrase && (c.NewPassphraseFile != nil || c.Generate):
		return usage("--new-passphrase-file and --generate go with --seal passphrase", "ass vault slots add --help")
	case c.NewPassphraseFile != nil && c.Generate:
		return usage("--new-passphrase-file or --generate, not both", "ass vault slots add --seal passphrase --generate")
	}
	return nil
}

// Run adds the slot.
func (c *slotsAddCmd) Run(a *app) error {
	if err := c.check(); err != nil {
		return err
	}
	cl, err := a.connect()
	if err != nil {
		return err
	}
	s := &slotSecret{cmd: c, undo: func() {}}
	defer s.wipe()
	if err := s.make(a, cl); err != nil {
		return err
	}
	var added *api.Slot
	send := func(passphrase *string) (err error) {
		if err := s.keep(a); err != nil {
			return err
		}
		added, err = cl.AddSlot(a.ctx, s.request(passphrase))
		return err
	}
	const act = "have another secret open the vault"
	if s.first {
		err = send(nil)
	} else {
		err = a.guarded(cl, act, send)
	}
	if err != nil {
		s.undo()
		return err
	}
	return s.print(a, added)
}

// slotSecret is the secret of a slot that is added. What keeps it has it before the
// daemon is asked, and gives it back when that fails.
type slotSecret struct {
	cmd   *slotsAddCmd
	text  []byte // nil for a command
	first bool   // --passphrase-file was this one's
	store func() error
	undo  func()

	tenant string // where a keyring is to keep it
}

func (s *slotSecret) wipe() { clear(s.text) }

// make has the secret, which nothing keeps yet.
func (s *slotSecret) make(a *app, cl *client.Client) (err error) {
	switch s.cmd.Seal {
	case api.SlotFile:
		s.text = api.NewSlotKey()
		s.store = func() error { return newKeyFile(s.cmd.KeyFile, s.text) }
		if _, err := os.Lstat(s.cmd.KeyFile); err == nil {
			return errKeyFileThere
		}
	case api.SlotKeyring:
		return s.fromKeyring(a, cl)
	case api.SlotPassphrase:
		if s.cmd.Generate {
			s.text = api.NewSlotPassphrase()
			return nil
		}
		s.text, err = s.passphrase(a, cl)
	}
	return err
}

// keep stores the secret, once.
func (s *slotSecret) keep(a *app) error {
	if s.store == nil {
		return nil
	}
	if err := s.store(); err != nil {
		return err
	}
	s.store = nil
	switch s.cmd.Seal {
	case api.SlotFile:
		s.undo = func() { _ = os.Remove(s.cmd.KeyFile) }
	case api.SlotKeyring:
		s.undo = func() { s.forget(a) }
	}
	return nil
}

func (s *slotSecret) request(passphrase *string) api.SlotAdd {
	text := string(s.text)
	req := api.SlotAdd{Kind: s.cmd.Seal, Passphrase: passphrase}
	switch s.cmd.Seal {
	case api.SlotFile, api.SlotKeyring:
		req.Key = &text
	case api.SlotPassphrase:
		req.NewPassphrase = &text
	}
	return req
}

// passphrase is the new one, from a file or typed twice.
func (s *slotSecret) passphrase(a *app, cl *client.Client) ([]byte, error) {
	if path := s.cmd.NewPassphraseFile; path != nil {
		if *path == "" {
			return nil, usage("--new-passphrase-file is empty", "leave it out to be asked on the terminal")
		}
		return a.readPassphrase(*path, "--new-passphrase-file")
	}
	if path, err := a.passphraseFile(); err != nil {
		return nil, err
	} else if path != "" && !a.takesPassphrase(cl) {
		s.first = true
		return a.readPassphrase(path, "--passphrase-file")
	}
	text, err := newPassphrase("◆ Passphrase that is to open the vault, 8 characters or more (not shown): ")
	switch {
	case errors.Is(err, errNoTerminal):
		return nil, usage("the new passphrase is missing, and there is no terminal to ask on", "--new-passphrase-file FILE, or --generate")
	case err == nil && len(text) == 0:
		return nil, usage("no passphrase was typed", "ass vault slots add --seal passphrase")
	}
	return text, err
}

// fromKeyring is the key that this user's keyring keeps for the vault already, or a new
// one.
func (s *slotSecret) fromKeyring(a *app, cl *client.Client) error {
	if err := a.sameUser(); err != nil {
		return err
	}
	me, err := cl.Me(a.ctx)
	if err != nil {
		return err
	}
	s.text, err = keyring.Get(a.ctx, me.Tenant)
	if errors.Is(err, keyring.ErrNone) {
		s.text, err = api.NewSlotKey(), nil
		s.store = func() error { return keyringFault(keyring.Set(a.ctx, me.Tenant, s.text)) }
		s.tenant = me.Tenant
	}
	return keyringFault(err)
}

// forget takes the new entry out of the keyring again.
func (s *slotSecret) forget(a *app) {
	if err := keyring.Delete(a.ctx, s.tenant); err != nil {
		a.note("Note: the keyring keeps a key for this vault that opens nothing")
	}
}

// sameUser refuses a daemon of another user, which cannot ask this user's keyring.
func (a *app) sameUser() error {
	t, err := a.place()
	if err != nil {
		return err
	}
	system := t.system != nil && t.endpoint.String() == t.system.URL() && *t.system.DaemonUID != os.Geteuid()
	if t.endpoint.Socket() == "" || system {
		return usage("your keyring opens a vault only for an assd of your own, which runs in your session and is asked over its socket",
			"ass vault slots add --seal passphrase")
	}
	return nil
}

func keyringFault(err error) error {
	if err == nil {
		return nil
	}
	return &fault{code: codeFailed, message: foreign(err.Error(), maxMessage), hint: "nothing was added; another kind: ass vault slots add --seal passphrase"}
}

// print says what to do with the secret now.
func (s *slotSecret) print(a *app, added *api.Slot) error {
	passphrase := ""
	if s.cmd.Generate {
		passphrase = string(s.text)
	}
	switch {
	case a.JSON && passphrase != "":
		return a.json(struct {
			*api.Slot
			Passphrase string `json:"passphrase"`
		}{added, passphrase})
	case a.JSON:
		return a.json(added)
	case a.Quiet && passphrase != "":
		return a.answer(passphrase + "\n")
	case a.Quiet:
		return a.answer(foreign(added.ID, maxName) + "\n")
	}
	if err := a.done("Slot added: " + foreign(added.ID, maxName) + " (" + foreign(added.Kind, maxName) + ")"); err != nil {
		return err
	}
	if passphrase != "" {
		return a.answer("Passphrase: " + passphrase + " ← WRITE IT DOWN: it opens the vault, and is shown once\n")
	}
	return a.answer(slotUse[s.cmd.Seal])
}

// slotUse says how assd comes by the secret.
var slotUse = map[string]string{
	api.SlotFile:       "To open the vault with it: assd --key-file FILE, with the file \"head\" moved from beside the key file there is to beside this one. Keep it apart from copies of the data file.\n",
	api.SlotPassphrase: "Where nothing else opens the vault assd starts sealed, and waits for: ass vault unseal\n",
	api.SlotCommand:    "assd runs the command when it starts, where no key file opens the vault.\n",
	api.SlotKeyring:    "assd asks your keyring when it starts in your session, where nothing before it opens the vault.\n",
}
