package main

import (
	"bytes"
	"os"

	"github.com/alecthomas/kong"
	"github.com/pelletier/go-toml/v2"

	"github.com/agent-secret-store/assd/vault"
)

// acceptedConfig is the configuration that counts: the file's, or, where an owner
// has to accept a changed one, the one accepted last. The file as it was read, or
// why it could not be, is kept beside it to be told of.
func (c *serveCmd) acceptedConfig(file *fileConfig, problem error, app *kong.Application) (*fileConfig, error) {
	d := c.dataFlags
	if file != nil {
		file.holdCommand(d)
		d = d.or(file)
	}
	cfg := d.vault()
	cfg.Log = c.logger(os.Stderr) // whoever opens the vault first may have to make another of it
	text, bound, err := vault.ConfigInForce(cfg)
	// What keeps the vault from being opened now keeps it from being served: the
	// start itself says it. Should that have passed by then, it looks again.
	if err != nil || !bound || file != nil && bytes.Equal(text, file.text) {
		return file, problem
	}
	accepted, err := parseConfig(d.configFile(), text, app)
	if err != nil {
		return nil, err
	}
	accepted.text, accepted.onDisk = text, &seenConfig{file, problem}
	return accepted, nil
}

// seenConfig is the configuration file as it was found, where another one counts.
type seenConfig struct {
	file    *fileConfig // nil with a problem
	problem error
}

// or is d with what the file says where no flag does.
func (d dataFlags) or(file *fileConfig) dataFlags {
	if dir, ok := file.values["data-dir"].(string); ok && d.DataDir == "" {
		d.DataDir = dir
	}
	if key, ok := file.values["key-file"].(string); ok && d.KeyFile == "" {
		d.KeyFile = key
	}
	if cmd, ok := file.values[sealCommandName].(string); ok && d.SealCommand == "" && !file.held {
		d.SealCommand = cmd
	}
	return d
}

// sealCommandName is the setting that says what opens command slots.
const sealCommandName = "seal-command"

// holdCommand keeps a seal-command from being run that is not the one accepted last,
// where an owner has to accept it: d, which is what was given by hand, says of which
// vault. What was accepted is read before the vault is open, from a data file that
// somebody may have forged; so it can only keep the command of the file from running.
func (c *fileConfig) holdCommand(d dataFlags) {
	cmd, ok := c.values[sealCommandName].(string)
	if !ok || d.SealCommand != "" {
		return
	}
	text, bound, err := vault.RecordedConfig(d.or(c).vault())
	if err != nil || !bound {
		c.held = err != nil // and whoever opens the vault next says why
		return
	}
	var accepted struct {
		SealCommand string `toml:"seal-command"`
	}
	c.held = toml.Unmarshal(text, &accepted) != nil || accepted.SealCommand != cmd
}
