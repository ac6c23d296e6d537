package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/alecthomas/kong"
	"github.com/hashicorp/go-hclog"

	"github.com/agent-secret-store/assd/internal/operator"
	"github.com/agent-secret-store/assd/internal/watch"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
)

// files are the two that an operator writes, policy.toml and assd.toml. They are
// offered to the vault, which says what counts.
type files struct {
	vault  *vault.Vault
	log    hclog.Logger
	policy operator.File
	named  bool // the policy's path was given
	typed  typed
	config operator.File
	app    *kong.Application
	apply  func(settings, opened) // puts the tables in force
	runs   *commands

	mu    sync.Mutex // a look, and an owner's acceptance, one at a time
	inUse *fileConfig
	told  map[string]string // what the log has said of each file last
}

// files are those of this daemon.
func (c *serveCmd) files(d *daemon, inUse *fileConfig) (*files, error) {
	app, err := grammar()
	if err != nil {
		return nil, err
	}
	f := &files{vault: d.vault, log: d.log, named: c.Policy != "", typed: c.Typed, inUse: inUse, app: app, apply: d.apply, runs: d.commands, told: map[string]string{}}
	f.policy = operator.File{Path: c.policyFile(), Max: policy.MaxFile, What: "policy", Flag: "--policy"}
	f.config = configSource(c.configFile())
	return f, nil
}

// policyFile is where the policy is.
func (c *serveCmd) policyFile() string {
	if c.Policy != "" {
		return c.Policy
	}
	return filepath.Join(c.dataDir(), api.PolicyFile)
}

// begin offers what is there before anyone is answered. A policy that somebody is
// just saving, or has just changed, is waited for; a broken one keeps nobody from
// starting: the one accepted last is in force.
func (f *files) begin(ctx context.Context) error {
	text, bound, err := f.vault.ConfigInForce()
	if err != nil {
		return err
	}
	if bound && !bytes.Equal(text, f.inUse.text) {
		return errors.New("the configuration in force is not the one that assd was started with: an owner has just set a passphrase or accepted another one; start it again")
	}
	seen := f.inUse.onDisk
	switch {
	case seen == nil && (f.inUse.text != nil || f.vault.HasConfig()): // that there is none any more counts as well
		f.tell(api.ConfigFile, f.offerConfig(ctx, f.inUse))
	case seen != nil && seen.problem != nil:
		f.tell(api.ConfigFile, f.configProblem(ctx, seen.problem))
	case seen != nil && seen.file.text == nil && text != nil:
		f.tell(api.ConfigFile, f.configProblem(ctx, errMissingConfig))
	case seen != nil && seen.file.text != nil:
		if err = seen.file.open(); err != nil {
			f.tell(api.ConfigFile, f.configProblem(ctx, err))
		} else {
			f.tell(api.ConfigFile, f.offerConfig(ctx, seen.file))
		}
	}
	f.lookPolicy(ctx, false)
	return nil
}

var errMissingConfig = errors.New("the file is missing; what was accepted last is in force")

// watch follows both files until ctx ends, and looks when something comes from
// again.
func (f *files) watch(ctx context.Context, again <-chan os.Signal) {
	f.vault.OnAccept(f.accepted)
	watch.Run(ctx, watch.Config{
		Paths: func() []string { return []string{f.policy.Path, f.config.Path} },
		Look:  func(asked bool) { f.look(ctx, asked) },
		Again: again, Log: f.log, What: "policy and configuration files", Ignore: written,
	})
}

func (f *files) look(ctx context.Context, asked bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lookPolicy(ctx, asked)
	f.lookConfig(ctx, asked)
	if asked {
		f.log.Info("SIGHUP: the policy and the configuration were looked at again")
	}
}

// written reports whether a file of the data dir is one that assd itself writes.
func written(path string) bool {
	switch filepath.Base(path) {
	case "vault.db", "head", "reserve", "assd.sock":
		return true
	}
	return false
}

// lookPolicy offers the policy file as it is now.
func (f *files) lookPolicy(ctx context.Context, asked bool) {
	text, err := f.readPolicy(ctx)
	if ctx.Err() != nil {
		return
	}
	if errors.Is(err, operator.ErrMissing) && !f.named && !f.vault.HasPolicy() { // none was ever accepted
		f.gone(api.PolicyFile)
		return
	}
	if errors.Is(err, operator.ErrMissing) {
		err = fmt.Errorf("%s is missing: put it back, or for no rules a file with a comment alone", f.typed.name("--policy", f.policy.Path))
	} else {
		err = f.typed.unnamed("--policy", f.policy.Path, err)
	}
	changed, err := f.vault.OfferPolicy(ctx, f.typed.shown("--policy", f.policy.Path), text, err)
	switch {
	case err == nil && (changed || asked):
		f.log.Info("policy in force", "file", f.policy.Path, "changed", changed)
	case asked:
		f.told[api.PolicyFile] = ""
	}
	f.tell(api.PolicyFile, err)
}

// readPolicy is the file's text, once it is settled. One that is in force already
// need not be waited for.
func (f *files) readPolicy(ctx context.Context) ([]byte, error) {
	text, err := f.policy.Read()
	if err == nil && f.vault.IsAccepted(api.PolicyFile, text) {
		return text, nil
	}
	if errors.Is(err, operator.ErrMissing) && !f.vault.HasPolicy() && !f.named {
		return nil, err
	}
	return f.policy.Settled(ctx)
}

// lookConfig offers the configuration file as it is now. One that nobody has ever
// written is none.
func (f *files) lookConfig(ctx context.Context, asked bool) {
	if asked {
		f.reopen() // whatever becomes of the file, its secrets may be others
	}
	text, err := f.config.Read()
	switch {
	case errors.Is(err, operator.ErrMissing) && f.inUse.text == nil:
		f.gone(api.ConfigFile)
		return
	case err == nil && bytes.Equal(text, f.inUse.text) && f.told[api.ConfigFile] == "":
		return
	}
	if text, err = f.config.Settled(ctx); ctx.Err() != nil {
		return
	}
	err = f.typed.unnamed("--config", f.config.Path, err)
	var next *fileConfig
	if err == nil {
		next, err = parseConfig(f.config.Path, text, f.app)
	}
	if err == nil {
		err = errors.Join(f.open(next), f.prepare(next))
	}
	if asked {
		f.told[api.ConfigFile] = ""
	}
	if err != nil {
		f.tell(api.ConfigFile, f.configProblem(ctx, err))
		return
	}
	f.tell(api.ConfigFile, f.offerConfig(ctx, next))
}

// open reads what a configuration names. One that an owner has to accept can wait for a
// new start, where this daemon does not get to what it names any more.
func (f *files) open(next *fileConfig) error {
	err := next.open()
	if !errors.Is(err, operator.ErrBeyond) {
		return err
	}
	_, bound, failed := f.vault.ConfigInForce()
	if next.later = bound && failed == nil; next.later {
		return nil
	}
	return err
}

// prepare looks whether the commands of a configuration can be run by this daemon. One
// that an owner has to accept can wait for a new start as well.
func (f *files) prepare(next *fileConfig) error {
	set, err := next.settings()
	if err != nil {
		return err
	}
	if _, bound, err := f.vault.ConfigInForce(); err != nil || !bound {
		if err := errors.Join(err, f.runs.allows(set)); err != nil {
			return err
		}
	}
	if err := f.runs.load(); err != nil {
		f.log.Error("what is new in the configuration cannot be run", "error", err)
	}
	return nil
}

// offerConfig offers a configuration; one that is taken is used, as far as that can
// be without a new start.
func (f *files) offerConfig(ctx context.Context, next *fileConfig) error {
	_, err := f.vault.OfferConfig(ctx, f.config.Path, next.text, nil)
	if err == nil && !bytes.Equal(next.text, f.inUse.text) {
		f.use(next)
	}
	return err
}

func (f *files) configProblem(ctx context.Context, problem error) error {
	_, err := f.vault.OfferConfig(ctx, f.typed.shown("--config", f.config.Path), nil, problem)
	return err
}

// use puts the tables in force, and says which flags wait for a new start.
func (f *files) use(next *fileConfig) {
	set, err := next.settings()
	if err != nil { // parseConfig has looked
		f.log.Error("the configuration cannot be used", "error", err)
		return
	}
	if next.later {
		f.log.Warn("the configuration names files in a folder that is new, and counts from the next start of assd on: restart assd", "file", f.config.Path)
		return
	}
	f.apply(set, next.opened)
	var waiting []string
	for _, name := range slices.Sorted(maps.Keys(union(f.inUse.values, next.values))) {
		if !reflect.DeepEqual(f.inUse.values[name], next.values[name]) {
			waiting = append(waiting, name)
		}
	}
	f.inUse = next
	f.log.Info("configuration in force", "file", f.config.Path)
	if len(waiting) > 0 {
		f.log.Warn("these settings count from the next start of assd on: restart assd", "settings", strings.Join(waiting, ", "))
	}
}

// reopen reads anew what the tables in force name: a secret may be another one.
func (f *files) reopen() {
	next := *f.inUse
	set, err := next.settings()
	if err == nil {
		err = next.open()
	}
	if err != nil {
		f.log.Error("what the configuration names cannot be used, and stays as it was", "error", err)
		return
	}
	f.inUse = &next
	f.apply(set, next.opened)
}

func union(a, b map[string]any) map[string]any {
	out := maps.Clone(a)
	if out == nil {
		out = map[string]any{}
	}
	maps.Copy(out, b)
	return out
}

// accepted uses a configuration that an owner has just accepted.
func (f *files) accepted(name string) {
	f.log.Info("an owner has accepted a file", "file", name)
	if name != api.ConfigFile {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.told[name] = "" // the next change that waits is to be told of again
	text, err := f.vault.AcceptedConfig()
	var next *fileConfig
	if err == nil {
		next, err = parseConfig(f.config.Path, text, f.app)
	}
	if err == nil {
		err = f.open(next)
	}
	if err != nil {
		f.log.Error("the accepted configuration cannot be used", "error", err)
		return
	}
	f.use(next)
}

// gone forgets a file that was broken, or held, and is not there any more.
func (f *files) gone(name string) {
	if f.told[name] != "" {
		f.vault.Forget(name)
		f.tell(name, nil)
	}
}

// tell logs what is wrong with a file, or that an owner has to accept it, once.
func (f *files) tell(name string, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text == f.told[name] {
		return
	}
	f.told[name] = text
	switch {
	case err == nil:
	case errors.Is(err, vault.ErrHeld):
		f.log.Warn(name+" has changed and counts once an owner has accepted it: ass policy accept", "file", name)
	default:
		f.log.Error(name+" cannot be used; what was accepted last is in force", "error", err)
	}
}
