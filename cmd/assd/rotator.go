package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/agent-secret-store/assd/internal/helper"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/generate"
)

// rotator is one table [[rotator]] of the configuration file.
type rotator struct {
	path     policy.Path
	generate *generate.Recipe // or
	command  []string
	current  bool
	every    time.Duration // 0: when somebody asks
	timeout  time.Duration // of the command
}

// The bounds of the tables.
const (
	maxRotators    = 1000
	maxArguments   = 64
	maxArgument    = 4096 // bytes
	minEvery       = time.Second
	defaultTimeout = 30 * time.Second
	maxTimeout     = 10 * time.Minute
)

var rotatorNames = []string{"path", "generate", "command", "current", "every", "timeout"}

// readRotators reads the tables strictly; nil is none.
func readRotators(value any) (all []rotator, err error) {
	tables, err := listOf("rotator", value, maxRotators)
	if err != nil {
		return nil, err
	}
	for i, values := range tables {
		r, err := readRotator(values)
		if err != nil {
			return nil, fmt.Errorf("[[rotator]] %d%s: %w", i+1, called(values), err)
		}
		if slices.ContainsFunc(all, func(other rotator) bool { return other.path == r.path }) {
			return nil, fmt.Errorf("[[rotator]] %d%s: another one has that path", i+1, called(values))
		}
		all = append(all, r)
	}
	return all, nil
}

// called names a table by its path, if that is one.
func called(values map[string]any) string {
	text, _ := values["path"].(string)
	if p, err := policy.ParsePath(text); err == nil {
		return " (" + p.String() + ")"
	}
	return ""
}

func readRotator(values map[string]any) (r rotator, err error) {
	r.timeout = defaultTimeout
	if err := setAll(values, r.set); err != nil {
		return r, err
	}
	_, timed := values["timeout"]
	switch {
	case r.path.IsZero():
		return r, errors.New(`path is missing: path = "production/DB_PASSWORD"`)
	case r.generate == nil && r.command == nil:
		return r, errors.New(`what makes the value is missing: generate = { length = 32, charset = "alnum" }, or command = ["/usr/local/lib/assd/rotate-stripe"]`)
	case r.generate != nil && r.command != nil:
		return r, errors.New("generate or command, not both")
	case r.generate != nil && (timed || r.current):
		return r, errors.New("current and timeout are for a command, and this has none")
	}
	return r, nil
}

func (r *rotator) set(name string, value any) (err error) {
	switch name {
	case "path":
		r.path, err = readPath(value)
	case "generate":
		var recipe generate.Recipe
		if recipe, err = generate.Parse(value); err != nil {
			return fmt.Errorf("generate: %w", err)
		}
		r.generate = &recipe
	case "command":
		r.command, err = readCommand(value)
	case "current":
		ok := false
		if r.current, ok = value.(bool); !ok {
			return errors.New("current is true or false, without quotes")
		}
	case "every":
		r.every, err = readTime(name, value, "720h", minEvery, 0)
	case "timeout":
		r.timeout, err = readTime(name, value, "30s", time.Second, maxTimeout)
	default:
		return unknownIn("rotator", name, rotatorNames)
	}
	return err
}

func readPath(value any) (policy.Path, error) {
	text, ok := value.(string)
	if !ok {
		return policy.Path{}, errors.New(`path is text in quotes, as in path = "production/DB_PASSWORD"`)
	}
	p, err := policy.ParsePath(text)
	if err != nil {
		return p, fmt.Errorf("path: %w; it is that of one secret, without a pattern", err)
	}
	return p, nil
}

// readCommand reads a program and its arguments. Whose the program is, is looked at
// whenever it is run.
func readCommand(value any) (argv []string, err error) {
	const form = `command is a list of texts in quotes, as in command = ["/usr/local/lib/assd/rotate-stripe"]`
	list, ok := value.([]any)
	if !ok || len(list) == 0 {
		return nil, errors.New(form)
	}
	if len(list) > maxArguments {
		return nil, fmt.Errorf("command has more than %d parts", maxArguments)
	}
	for _, v := range list {
		text, ok := v.(string)
		if !ok {
			return nil, errors.New(form)
		}
		if len(text) > maxArgument || strings.ContainsRune(text, 0) {
			return nil, fmt.Errorf("command has an argument that is longer than %d bytes, or holds a null byte", maxArgument)
		}
		argv = append(argv, text)
	}
	if !filepath.IsAbs(argv[0]) {
		return nil, fmt.Errorf("command begins with %q, and an absolute path is expected: no shell looks for it", argv[0])
	}
	return argv, nil
}

// readTime reads a time from least to most; 0 is no bound.
func readTime(name string, value any, example string, least, most time.Duration) (time.Duration, error) {
	text, _ := value.(string)
	ttl, err := api.ParseTTL(text)
	d := time.Duration(ttl)
	if err != nil || d < least || most > 0 && d > most {
		bounds := "at least " + api.TTL(least).String()
		if most > 0 {
			bounds = "from " + api.TTL(least).String() + " to " + api.TTL(most).String()
		}
		return 0, fmt.Errorf("%s is a time in quotes, as in %s = %q, %s", name, name, example, bounds)
	}
	return d, nil
}

// commands are what the helper is to run, by the places of the rotators; the last is
// the one that opens slots.
func (s settings) commands() []helper.Command {
	all := make([]helper.Command, len(s.rotators), len(s.rotators)+1)
	for i, r := range s.rotators {
		all[i] = helper.Command{Argv: r.command, Timeout: r.timeout}
	}
	return append(all, sealCommand(s.seal))
}

// commandFolders are the folders that the configuration's commands lie in.
func (s settings) commandFolders() []string { return helper.Folders(s.commands()) }
