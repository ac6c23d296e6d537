package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/away"
	"github.com/agent-secret-store/assd/vault/webhook"
)

// checkpoint is one table [[checkpoint]] of the configuration file: a file, or a URL
// with what belongs to it, or a log.
type checkpoint struct {
	file       string
	url        webhook.URL
	secretFile string
	caFile     string // "": the system's issuers
	syslog     *away.Syslog
	every      time.Duration
}

// How often checkpoints leave.
const (
	defaultCheckpointEvery = time.Hour
	minCheckpointEvery     = time.Minute
)

var checkpointNames = []string{"file", "url", "secret_file", "ca_file", "syslog", "every"}

// readCheckpoints reads the tables strictly; nil is none. It opens no file.
func readCheckpoints(value any) (all []checkpoint, err error) {
	tables, err := listOf("checkpoint", value, vault.MaxCheckpoints)
	if err != nil {
		return nil, err
	}
	for i, values := range tables {
		c, err := readCheckpoint(values)
		if err != nil {
			return nil, fmt.Errorf("[[checkpoint]] %d: %w", i+1, err)
		}
		if slices.ContainsFunc(all, func(other checkpoint) bool { return other.String() == c.String() }) {
			return nil, fmt.Errorf("[[checkpoint]] %d: another one goes to %s", i+1, c)
		}
		all = append(all, c)
	}
	return all, nil
}

// String names the place; of a URL the origin.
func (c checkpoint) String() string {
	switch {
	case c.file != "":
		return c.file
	case c.syslog != nil:
		return c.syslog.String()
	}
	return c.url.String()
}

func readCheckpoint(values map[string]any) (c checkpoint, err error) {
	c.every = defaultCheckpointEvery
	if err := setAll(values, c.set); err != nil {
		return c, err
	}
	hook, places := c.url.Host() != "", 0
	for _, there := range []bool{c.file != "", hook, c.syslog != nil} {
		if there {
			places++
		}
	}
	switch {
	case places == 0:
		return c, errors.New(`where it goes is missing: file = "/mnt/usb/checkpoints", url = "https://log.example.com/ass", or syslog = "local"`)
	case places > 1:
		return c, errors.New("file, url or syslog, not two of them: give each a table of its own")
	case hook && c.secretFile == "":
		return c, errors.New(`secret_file is missing: secret_file = "/etc/assd/hook.secret"`)
	case !hook && c.secretFile+c.caFile != "":
		return c, errors.New("secret_file and ca_file are for a url, and this has none")
	}
	return c, nil
}

// set takes one setting. No error repeats a URL: it may hold a token.
func (c *checkpoint) set(name string, value any) (err error) {
	text, ok := value.(string)
	switch {
	case !slices.Contains(checkpointNames, name):
		return unknownIn("checkpoint", name, checkpointNames)
	case !ok:
		return fmt.Errorf("%s is text in quotes", name)
	}
	switch name {
	case "file":
		if !filepath.IsAbs(text) || strings.ContainsRune(text, 0) || strings.HasSuffix(text, "/") {
			return errors.New(`file is the path of a file from the root, as in file = "/mnt/usb/checkpoints"`)
		}
		c.file = filepath.Clean(text)
	case "url":
		if c.url, err = webhook.ParseURL(text); err != nil {
			return fmt.Errorf("url: %w", err)
		}
	case "secret_file":
		c.secretFile, err = absolute(name, text)
	case "ca_file":
		c.caFile, err = absolute(name, text)
	case "syslog":
		if c.syslog, err = away.ParseSyslog(text); err != nil {
			return fmt.Errorf("syslog: %w", err)
		}
	case "every":
		c.every, err = readTime(name, value, "1h", minCheckpointEvery, 0)
	}
	return err
}

// openCheckpoints reads the files that the tables name, and looks whether those that
// are to be written can be used.
func openCheckpoints(tables []checkpoint) ([]vault.Checkpoint, error) {
	all := make([]vault.Checkpoint, 0, len(tables))
	for _, c := range tables {
		to, err := c.open()
		if err != nil {
			return nil, fmt.Errorf("checkpoint %s: %w", c, err)
		}
		all = append(all, vault.Checkpoint{To: to, Every: c.every})
	}
	return all, nil
}

func (c checkpoint) open() (away.Place, error) {
	switch {
	case c.file != "":
		f := away.NewFile(c.file)
		return f, f.Check()
	case c.syslog != nil:
		return c.syslog, nil
	}
	h := hook{url: c.url, secretFile: c.secretFile, caFile: c.caFile}
	w, err := h.open()
	if err != nil {
		return nil, err
	}
	return away.NewHook(w.To, time.Now), nil
}

// warnCheckpoints says which of them prove nothing where they are.
func warnCheckpoints(tables []checkpoint, dataDir string, log hclog.Logger) {
	for _, c := range tables {
		if c.file != "" && within(c.file, dataDir) {
			log.Warn("checkpoints in the data dir prove nothing: who changes the vault changes them as well; put the file on another device", "file", c.file)
		}
	}
}

// within reports whether a file lies in a folder or below it, wherever links lead.
func within(file, dir string) bool {
	for _, at := range away.NewFile(file).Folders() {
		at, dir := followed(at), followed(dir)
		if rel, err := filepath.Rel(dir, at); err == nil && filepath.IsLocal(rel) {
			return true
		}
	}
	return false
}

func followed(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}
