package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/agent-secret-store/assd/internal/helper"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/seal"
)

// helperCommand is what assd starts itself with to have a helper. It is for nobody
// else and stands in no help.
const helperCommand = "rotation-helper"

// runHelper is the helper, for the configuration file at path.
func runHelper(path string) error {
	conn, err := helper.Inherited()
	if err != nil {
		return &exitError{2, fmt.Errorf("%s: %w", helperCommand, err)}
	}
	app, err := grammar()
	if err != nil {
		return err
	}
	return helper.Serve(conn, func() (helper.Text, error) {
		text, err := configSource(path).Read()
		if err != nil {
			return helper.Text{}, err
		}
		file, err := parseConfig(path, text, app)
		if err != nil {
			return helper.Text{}, err
		}
		set, err := file.settings()
		return helper.Text{Digest: set.digest, Commands: set.commands()}, err
	})
}

// commands has the helper run what rotators name, and what opens slots.
type commands struct {
	data    dataFlags // where the configuration file is
	log     hclog.Logger
	vault   *vault.Vault
	helper  *helper.Helper // nil: there was no command at the start
	folders []string       // of the commands at the start
	inForce string         // digest of the configuration
	read    string         // digest of what the helper read last; "": nothing
	unread  bool           // the helper has never read what is in force
	closing atomic.Bool
	watched chan struct{} // closed when nobody looks after the helper any more
}

// helperTime is how long the helper may take to read a file.
const helperTime = 10 * time.Second

// startCommands starts the helper, if there is a command to run, before anyone is
// answered and before the daemon gives up the right to.
func startCommands(v *vault.Vault, set settings, data dataFlags, log hclog.Logger, over *handed) (*commands, error) {
	c := &commands{data: data, log: log, vault: v, folders: set.commandFolders()}
	if over != nil {
		return c.takeOver(over, set)
	}
	if len(c.folders) == 0 {
		c.use(set)
		return c, nil
	}
	path, err := filepath.Abs(data.configFile())
	if err != nil {
		return nil, fmt.Errorf("starting the helper: %w", err)
	}
	if c.helper, err = helper.Start(helperCommand, path); err != nil {
		return nil, err
	}
	return c, c.begin(set)
}

// begin uses a helper that has just come.
func (c *commands) begin(set settings) error {
	c.unread = true
	c.watched = make(chan struct{})
	go c.look()
	c.use(set)
	return c.load()
}

// takeOver goes on with the helper of the image before, if there is one still: another
// could not be started any more.
func (c *commands) takeOver(over *handed, set settings) (*commands, error) {
	c.folders, c.helper = over.Commands, over.helper
	if c.helper != nil {
		return c, c.begin(set)
	}
	c.use(set)
	if len(c.folders) > 0 {
		c.vault.SetRotationTrouble(helper.ErrGone.Error())
	}
	return c, nil
}

// look says when the helper has ended by itself.
func (c *commands) look() {
	defer close(c.watched)
	<-c.helper.Gone()
	if c.closing.Load() {
		return
	}
	c.vault.SetRotationTrouble(helper.ErrGone.Error())
	c.log.Error("no command of a rotator runs any more", "error", helper.ErrGone)
}

// close ends the helper, and what it still runs.
func (c *commands) close() error {
	if c == nil || c.helper == nil {
		return nil
	}
	c.closing.Store(true)
	err := c.helper.Close()
	<-c.watched
	return err
}

// load has the helper read the configuration file, so that it knows what may come in
// force, and tells of what would not run. Only a helper that is gone is an error.
func (c *commands) load() error {
	if c.helper == nil {
		return nil
	}
	ctx, stop := context.WithTimeout(context.Background(), helperTime)
	defer stop()
	found, err := c.helper.Load(ctx, c.inForce)
	if failed := (*helper.Failure)(nil); errors.As(err, &failed) {
		c.log.Warn("the helper could not take the configuration file", "reason", c.data.unnamedConfig(failed).Error())
		return nil
	}
	if err != nil {
		return fmt.Errorf("having the helper read the configuration: %w", err)
	}
	c.read = found.Digest
	c.tellUnread()
	for _, i := range slices.Sorted(maps.Keys(found.Problems)) {
		c.log.Warn("a rotator's command would not be run", "reason", found.Problems[i])
	}
	return nil
}

// tellUnread tells owners when what is in force was never read by the helper: after a
// start the file may be another one.
func (c *commands) tellUnread() {
	if !c.unread || c.read == "" {
		return
	}
	why := ""
	if c.unread = c.read != c.inForce; c.unread {
		why = api.ConfigFile + " is not what was accepted, and a command is run only as that file has it: put it back, or accept it as it is"
	}
	c.vault.SetRotationTrouble(why)
}

// allows refuses a configuration with a command where none was when assd was started.
func (c *commands) allows(set settings) error {
	for _, r := range set.rotators {
		if !c.knows(r) {
			return fmt.Errorf("the command of the rotator for %s lies in a folder that is new, and counts from the next start on: restart assd", r.path)
		}
	}
	if !c.knowsProgram(set.seal) {
		return errors.New("seal-command lies in a folder that is new, and counts from the next start on: restart assd")
	}
	return nil
}

func (c *commands) knows(r rotator) bool { return c.knowsProgram(r.command) }

func (c *commands) knowsProgram(argv []string) bool {
	return len(argv) == 0 || slices.Contains(c.folders, filepath.Dir(filepath.Clean(argv[0])))
}

// use puts the rotators of a configuration in force.
func (c *commands) use(set settings) {
	c.inForce = set.digest
	c.tellUnread()
	var all []vault.Rotator
	for i, r := range set.rotators {
		next := vault.Rotator{Path: r.path, Generate: r.generate, Current: r.current, Every: r.every}
		if r.generate == nil {
			next.Command = c.runs(set.digest, i, r)
		}
		all = append(all, next)
	}
	c.vault.SetRotators(all)
	c.vault.SetSlotCommand(c.slotSecret(set))
}

// slotSecret is how the command that opens slots is run for a new one; nil: there is none.
func (c *commands) slotSecret(set settings) func(context.Context) (seal.Secret, error) {
	if len(set.seal) == 0 {
		return nil
	}
	if c.helper == nil || !c.knowsProgram(set.seal) {
		return func(context.Context) (seal.Secret, error) {
			return nil, errors.New("seal-command is used from the next start of assd on: restart assd")
		}
	}
	return func(ctx context.Context) (seal.Secret, error) {
		p, err := c.helper.Run(ctx, helper.Job{Digest: set.digest, Index: len(set.rotators), Timeout: sealCommandTime})
		return printedSecret(p.Out, p.Err, err)
	}
}

// runs is how the command of r, at that place, is run.
func (c *commands) runs(digest string, index int, r rotator) func(context.Context, []byte) (vault.Printed, error) {
	if c.helper == nil || !c.knows(r) {
		return func(context.Context, []byte) (vault.Printed, error) {
			return vault.Printed{}, errors.New("the command is used from the next start of assd on: restart assd")
		}
	}
	return func(ctx context.Context, input []byte) (vault.Printed, error) {
		p, err := c.helper.Run(ctx, helper.Job{Digest: digest, Index: index, Timeout: r.timeout, Stdin: input})
		return vault.Printed{Out: p.Out, Err: p.Err}, err
	}
}
