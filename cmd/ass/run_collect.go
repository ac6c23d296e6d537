package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault/api"
)

// collect is all that the command is to be given.
func (c *runCmd) collect(a *app) (variables, error) {
	want, err := c.wants()
	if err != nil {
		return nil, err
	}
	secrets, err := want.fetch(a, &c.access)
	if err != nil {
		return nil, err
	}
	set, err := want.variables(secrets)
	if err != nil {
		return nil, err
	}
	return set, set.check(want.keys)
}

// wanted is what a run asks for.
type wanted struct {
	namespaces []policy.Namespace
	keys       []string // of the command line; nil: all
	lines      []envLine
}

// wants reads command line and env files, before anything is asked of the daemon.
func (c *runCmd) wants() (w wanted, err error) {
	if len(c.Namespace) == 0 && len(c.EnvFile) == 0 {
		return w, usage("run: there is nothing to put into the environment", "name a namespace, with --namespace NS, or a file, with --env-file FILE")
	}
	for _, text := range c.Namespace {
		ns, err := parseNamespace(text)
		if err != nil {
			return w, err
		}
		if !slices.Contains(w.namespaces, ns) {
			w.namespaces = append(w.namespaces, ns)
		}
	}
	anywhere, err := policy.ParseNamespace("any") // a key is one in any of them
	if err != nil {
		return w, err
	}
	if w.keys, err = c.Keys.in(anywhere); err != nil {
		return w, err
	}
	for _, name := range c.EnvFile {
		lines, err := readEnvFile(name)
		if err != nil {
			return w, err
		}
		for _, l := range lines {
			if w.keys == nil || slices.Contains(w.keys, l.name) {
				w.lines = append(w.lines, l)
			}
		}
	}
	return w, w.check()
}

// check refuses references out of the namespaces, and keys that nothing can have.
func (w *wanted) check() error {
	for _, l := range w.lines {
		if l.refers && !slices.Contains(w.namespaces, l.path.Namespace()) {
			ns := l.path.Namespace().String()
			return usage(fmt.Sprintf("%s: it refers to %s, which is not among the namespaces of the command line", l.place(), ns),
				"if that is meant, add --namespace "+ns)
		}
	}
	if fromNamespaces := w.secretKeys(); len(w.namespaces) == 0 && len(fromNamespaces) > 0 {
		return &fault{code: api.CodeNotFound, message: "no env file has " + strings.Join(fromNamespaces, ", "), hint: "correct --keys, or add the --namespace that has them"}
	}
	return nil
}

// secretKeys are the keys of the command line that no env file has.
func (w *wanted) secretKeys() []string {
	var keys []string
	for _, key := range w.keys {
		if !slices.ContainsFunc(w.lines, func(l envLine) bool { return l.name == key }) {
			keys = append(keys, key)
		}
	}
	return keys
}

// requests are what is to be read: no more than is wanted, and with one token where
// that can be said in one request.
func (w *wanted) requests() []exportRequest {
	if w.keys == nil && len(w.namespaces) > 0 {
		return []exportRequest{{namespaces: w.namespaces, purpose: api.ForRun}}
	}
	var requests []exportRequest
	keys := w.secretKeys()
	for _, ns := range w.namespaces {
		var own []string
		for _, l := range w.lines {
			if l.refers && l.path.Namespace() == ns && !slices.Contains(own, l.path.Key()) && !slices.Contains(keys, l.path.Key()) {
				own = append(own, l.path.Key())
			}
		}
		if len(w.namespaces) == 1 {
			own, keys = append(keys, own...), nil
		}
		if len(own) > 0 {
			requests = append(requests, exportRequest{namespaces: []policy.Namespace{ns}, keys: own, purpose: api.ForRun})
		}
	}
	if len(keys) > 0 {
		requests = append(requests, exportRequest{namespaces: w.namespaces, keys: keys, purpose: api.ForRun})
	}
	return requests
}

// fetch reads the secrets, each once, and all or none of a request.
func (w *wanted) fetch(a *app, by *access) (map[policy.Path]string, error) {
	values := map[policy.Path]string{}
	for _, req := range w.requests() {
		secrets, err := by.export(a, req)
		if errors.Is(err, &api.Error{Code: api.CodeSecretNotFound}) {
			return nil, w.missingLine(a, err)
		}
		if err != nil {
			return nil, err
		}
		for _, s := range secrets {
			path, err := policy.ParsePath(s.Namespace + "/" + s.Key)
			if err != nil {
				return nil, fmt.Errorf("reading the daemon's answer: %w", err)
			}
			values[path] = s.Value
		}
	}
	return values, nil
}

// missingLine says which line it is that refers to nothing, if one is the cause.
func (w *wanted) missingLine(a *app, cause error) error {
	there := map[policy.Namespace][]string{}
	for _, l := range w.lines {
		if !l.refers {
			continue
		}
		ns := l.path.Namespace()
		if there[ns] == nil {
			list, err := a.listing("read:secrets", ns)
			if err != nil {
				return cause
			}
			there[ns] = []string{}
			for _, i := range list.Items {
				there[ns] = append(there[ns], i.Key)
			}
		}
		if !slices.Contains(there[ns], l.path.Key()) {
			return l.missing()
		}
	}
	return cause
}

// variables puts together what was read.
func (w *wanted) variables(values map[policy.Path]string) (variables, error) {
	var set variables
	named := w.secretKeys()
	for _, path := range slices.SortedFunc(maps.Keys(values), w.order) {
		if w.keys == nil || slices.Contains(named, path.Key()) {
			set = append(set, variable{name: path.Key(), value: values[path], secret: true, path: path, from: path.Namespace().String()})
		}
	}
	for _, l := range w.lines {
		v := variable{name: l.name, value: l.literal, from: l.place()}
		if l.refers {
			value, ok := values[l.path]
			if !ok {
				return nil, l.missing()
			}
			v.value, v.secret, v.path = value, true, l.path
		}
		set = append(set, v)
	}
	return set.once()
}

// order is that of the namespaces on the command line, then that of the keys.
func (w *wanted) order(a, b policy.Path) int {
	return cmp.Or(
		cmp.Compare(slices.Index(w.namespaces, a.Namespace()), slices.Index(w.namespaces, b.Namespace())),
		cmp.Compare(a.Key(), b.Key()))
}
