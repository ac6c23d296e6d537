package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	"github.com/pelletier/go-toml/v2"

	"github.com/agent-secret-store/assd/internal/operator"
	"github.com/agent-secret-store/assd/internal/runas"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
)

// maxConfig is the most that is read of a configuration file, in bytes.
const maxConfig = 1 << 20

// fileConfig is a configuration file: values for flags by their names, and tables.
type fileConfig struct {
	path   string
	text   []byte // as read; nil: there is no file
	values map[string]any
	tables map[string]any // by name

	opened opened // once open has been called
	later  bool   // that lies where a daemon gets to only after a new start

	onDisk *seenConfig // what is in its place on disk, where that does not count
	as     *runas.User // whom it was read as; nil: whoever started assd
	held   bool        // its seal-command does not count
	memo   *memo       // what opened the vault to see what counts
}

// opened is what the tables come to with the files that they name.
type opened struct {
	receivers   []vault.Webhook
	checkpoints []vault.Checkpoint
	backups     *vault.BackupPlan // nil: none
}

// contentError is something in a configuration file that is not as it should be.
type contentError struct {
	path string
	err  error
}

func (e *contentError) Error() string {
	return fmt.Sprintf("configuration %q: %v (see assd serve --help)", e.path, e.err)
}

func (e *contentError) Unwrap() error { return e.err }

// configFile reads the configuration file that the arguments and the
// environment name, or the one in the data dir if there is one. Its errors are
// wrong usage.
func configFile(args []string) (file *fileConfig, err error) {
	// Help, version and wrong usage are for the second pass to print.
	defer func() {
		switch p := recover().(type) {
		case nil:
		case exited:
			file, err = &fileConfig{}, nil
		default:
			panic(p)
		}
	}()
	var c cli
	ctx, err := parse(&c, args, output{io.Discard, io.Discard})
	if err != nil {
		return &fileConfig{}, nil
	}
	d := c.dataFlags(ctx.Command())
	load := func() (*fileConfig, error) { return d.loadConfig(ctx.Model) }
	if ctx.Command() == "serve" {
		file, err = c.Serve.readConfig(load, ctx.Model)
	} else if file, err = load(); err == nil {
		file.holdCommand(d)
	}
	if coded, ok := errors.AsType[*exitError](err); ok {
		return nil, coded
	}
	if err != nil {
		return nil, &exitError{2, err}
	}
	return file, nil
}

// readConfig is the configuration that counts for a daemon, read as the user that it
// is to run as.
func (c *serveCmd) readConfig(load func() (*fileConfig, error), app *kong.Application) (*fileConfig, error) {
	u, err := c.begin()
	if err != nil {
		return nil, err
	}
	file, problem := load()
	if u == nil && problem == nil {
		name, _ := file.values["user"].(string)
		if u, err = become(name); err != nil {
			return nil, err
		}
	}
	c.asUser, c.memo = u, newMemo()
	file, err = c.acceptedConfig(file, problem, app)
	if err == nil {
		file.as, file.memo = u, c.memo
	}
	return file, err
}

// configFile is where the configuration file is.
func (d dataFlags) configFile() string {
	if d.Config != "" {
		return d.Config
	}
	return filepath.Join(d.dataDir(), api.ConfigFile)
}

// loadConfig reads the configuration file, which has to exist where it is named.
func (d dataFlags) loadConfig(app *kong.Application) (*fileConfig, error) {
	file, err := loadConfig(d.configFile(), d.Config != "", app)
	return file, d.unnamedConfig(err)
}

// unnamedConfig is an error about the configuration file, without a name that was typed
// and names nothing.
func (d dataFlags) unnamedConfig(err error) error {
	return d.Typed.unnamed("--config", d.configFile(), err)
}

// loadConfig reads the file at path, which need not exist unless it must.
func loadConfig(path string, must bool, app *kong.Application) (*fileConfig, error) {
	text, err := readConfig(path, must)
	if err != nil {
		return nil, err
	}
	return parseConfig(path, text, app)
}

// parseConfig checks what a configuration file holds.
func parseConfig(path string, text []byte, app *kong.Application) (*fileConfig, error) {
	c := &fileConfig{path: path, text: text, tables: map[string]any{}}
	if err := toml.Unmarshal(text, &c.values); err != nil {
		return nil, &contentError{path, syntaxError(err)}
	}
	for _, t := range tables {
		if table, ok := c.values[t.name]; ok {
			c.tables[t.name] = table
			delete(c.values, t.name)
		}
	}
	if err := c.check(app); err != nil {
		return nil, err
	}
	_, err := c.settings()
	return c, err
}

// open reads the files that the tables name. Only who serves needs them.
func (c *fileConfig) open() error {
	set, err := c.settings()
	if err != nil {
		return err
	}
	if c.opened.receivers, err = openHooks(set.hooks); err == nil {
		c.opened.checkpoints, err = openCheckpoints(set.points)
	}
	if err == nil {
		c.opened.backups, err = set.backup.open()
	}
	if err != nil {
		return &contentError{c.path, err}
	}
	return nil
}

// dataFlags are those of the command that was given.
func (c *cli) dataFlags(command string) dataFlags {
	if d, ok := c.allDataFlags()[command]; ok {
		return *d
	}
	return c.Serve.dataFlags
}

// allDataFlags are those of each command.
func (c *cli) allDataFlags() map[string]*dataFlags {
	return map[string]*dataFlags{
		"serve": &c.Serve.dataFlags, "init": &c.Init.dataFlags, "verify": &c.Verify.dataFlags, "restore <file>": &c.Restore.dataFlags,
		"passphrase set": &c.Passphrase.Set.dataFlags, "recover-owner": &c.RecoverOwner.dataFlags,
	}
}

// typed notes what stands on the command line; of what was not given there is nothing.
func (c *cli) typed(t typed) {
	for _, d := range c.allDataFlags() {
		d.Typed = t
	}
}

// readConfig is the text of the file at path; nil where there is none and need not
// be.
func readConfig(path string, must bool) ([]byte, error) {
	if _, err := os.Stat(path); !must && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)) {
		return nil, nil
	}
	text, err := configSource(path).Read()
	if errors.Is(err, operator.ErrMissing) {
		return nil, fmt.Errorf("there is no configuration file %q: give the path of one with --config, or leave that out", path)
	}
	return text, err
}

func configSource(path string) operator.File {
	return operator.File{Path: path, Max: maxConfig, What: "configuration", Flag: "--config"}
}

// Validate has nothing left to do: kong would ask only after it has read values.
func (*fileConfig) Validate(*kong.Application) error { return nil }

// check refuses names that are no flags of the daemon: what verify and init are
// told is told by hand, or whoever writes this file could tell them. It refuses
// what kong would tell in words of its own, without the file.
func (c *fileConfig) check(app *kong.Application) error {
	known := serveFlags(app)
	for _, name := range slices.Sorted(maps.Keys(c.values)) {
		err := unknownSetting(name, c.values[name], known)
		if f := known[name]; f != nil {
			err = checkSetting(f, c.values[name])
		}
		if err != nil {
			return &contentError{c.path, err}
		}
	}
	table, _ := c.tables["limits"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(table)) {
		if known[name] != nil {
			return &contentError{c.path, fmt.Errorf("%s is no limit: write it above the line [limits]", name)}
		}
	}
	return nil
}

// serveFlags are the flags that the file may set.
func serveFlags(app *kong.Application) map[string]*kong.Flag {
	known := map[string]*kong.Flag{}
	for _, node := range app.Children {
		if node.Name != "serve" {
			continue
		}
		for _, f := range node.Flags {
			known[f.Name] = f
		}
	}
	delete(known, "config") // a file does not name another
	return known
}

func unknownSetting(name string, value any, known map[string]*kong.Flag) error {
	if slices.Contains(limitNames, name) {
		return fmt.Errorf("%s is a limit: write it below a line [limits]", name)
	}
	hint := ""
	if near := nearest(name, append(slices.Sorted(maps.Keys(known)), limitNames...)); near != "" {
		hint = fmt.Sprintf("; is it %s?", near)
		if slices.Contains(limitNames, near) {
			hint = fmt.Sprintf("; is it %s, below a line [limits]?", near)
		}
	}
	_, table := value.(map[string]any)
	_, list := value.([]any)
	if (table || list) && hint == "" {
		hint = "; the tables are " + tableForms()
	}
	return fmt.Errorf("this version of assd knows no %q%s", name, hint)
}

// checkSetting refuses a value that is not of the flag's kind, or none of those
// that it can have.
func checkSetting(f *kong.Flag, value any) error {
	example := f.PlaceHolder
	if example == "" {
		example = f.Default
	}
	if f.IsBool() {
		if _, ok := value.(bool); !ok {
			return fmt.Errorf("%s must be true or false, as in %s = true", f.Name, f.Name)
		}
		return nil
	}
	text, ok := value.(string)
	if f.IsSlice() {
		if list, isList := value.([]any); isList {
			ok = !slices.ContainsFunc(list, func(v any) bool { _, text := v.(string); return !text })
		}
		if !ok {
			return fmt.Errorf("%s must be a list of texts in quotes, as in %s = [%q]", f.Name, f.Name, example)
		}
		return nil
	}
	if !ok {
		return fmt.Errorf("%s must be text in quotes, as in %s = %q", f.Name, f.Name, example)
	}
	if f.Enum != "" && !f.EnumMap()[text] {
		return fmt.Errorf("%s must be one of %s", f.Name, strings.ReplaceAll(f.Enum, ",", ", "))
	}
	return nil
}

// syntaxError says where in the file the TOML ends to be TOML.
func syntaxError(err error) error {
	e, ok := errors.AsType[*toml.DecodeError](err)
	if !ok {
		return err
	}
	line, column := e.Position()
	return fmt.Errorf("line %d, column %d: %s", line, column, strings.TrimPrefix(e.Error(), "toml: "))
}

// Resolve is the value of a flag that neither the command line nor the
// environment gave.
func (c *fileConfig) Resolve(_ *kong.Context, _ *kong.Path, f *kong.Flag) (any, error) {
	for _, env := range f.Envs {
		if _, set := os.LookupEnv(env); set {
			return nil, nil
		}
	}
	v, ok := c.values[f.Name]
	if !ok || f.Name == sealCommandName && c.held {
		return nil, nil
	}
	return v, nil
}
