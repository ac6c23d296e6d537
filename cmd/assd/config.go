package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/alecthomas/kong"
	"github.com/pelletier/go-toml/v2"
)

// maxConfig is the most that is read of a configuration file, in bytes.
const maxConfig = 1 << 20

// fileConfig is a configuration file: values for flags by their names, and the
// table [limits].
type fileConfig struct {
	path   string
	values map[string]any
	table  any // [limits]; nil: none
}

// limits are those of the table, or the defaults.
func (c *fileConfig) limits() (limits, error) {
	l, err := readLimits(c.table)
	if err != nil {
		return l, fmt.Errorf("configuration %q: %w", c.path, err)
	}
	return l, nil
}

// configFile reads the configuration file that the arguments and the
// environment name, or the one in the data dir if there is one.
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
	path, must := d.Config, d.Config != ""
	if !must {
		path = filepath.Join(d.dataDir(), "assd.toml")
	}
	return readConfig(path, must)
}

// dataFlags are those of the command that was given.
func (c *cli) dataFlags(command string) dataFlags {
	switch command {
	case "init":
		return c.Init.dataFlags
	case "verify":
		return c.Verify.dataFlags
	default:
		return c.Serve.dataFlags
	}
}

func readConfig(path string, must bool) (*fileConfig, error) {
	f, err := os.Open(filepath.Clean(path))
	if errors.Is(err, fs.ErrNotExist) && !must {
		return &fileConfig{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading configuration: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("reading configuration: %w", err)
	}
	if info.Mode().Perm()&0o022 != 0 {
		return nil, fmt.Errorf("configuration %q can be written by others: chmod go-w %s", path, path)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return nil, fmt.Errorf("reading configuration: %w", err)
	}
	if len(b) > maxConfig {
		return nil, fmt.Errorf("configuration %q is longer than %d bytes", path, maxConfig)
	}
	c := &fileConfig{path: path}
	if err := toml.Unmarshal(b, &c.values); err != nil {
		return nil, fmt.Errorf("configuration %q: %w", path, err)
	}
	c.table = c.values["limits"]
	delete(c.values, "limits")
	return c, nil
}

// Validate refuses names that are no flags of the daemon: what verify and init
// are told is told by hand, or whoever writes this file could tell them.
func (c *fileConfig) Validate(app *kong.Application) error {
	known := map[string]bool{}
	for _, node := range app.Children {
		if node.Name != "serve" {
			continue
		}
		for _, f := range node.Flags {
			known[f.Name] = true
		}
	}
	for name := range c.values {
		if !known[name] || name == "config" {
			return fmt.Errorf("configuration %q: this version of assd knows no %q", c.path, name)
		}
	}
	return nil
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
	if !ok {
		return nil, nil
	}
	return v, nil
}
