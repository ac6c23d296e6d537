package conformance_test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"
)

// person has a home, a folder to work in, and perhaps a key, and types commands
// of the npm CLI.
type person struct {
	w          *world
	home, work string
	env        []string
}

// person makes one for the daemon d. Without a key they have to log in.
func (w *world) person(t *testing.T, name string, d *daemon, key string) *person {
	t.Helper()
	home := w.folder(t, filepath.Join("people", name))
	p := &person{w: w, home: home, work: w.folder(t, filepath.Join("people", name, "work"))}
	p.env = append(w.env(home), "TERM=xterm-256color", "NO_COLOR=1", "NODE_EXTRA_CA_CERTS="+d.cert, "ASS_API_URL="+d.url)
	if key != "" {
		p.env = append(p.env, "ASS_AGENT_KEY="+key)
	}
	return p
}

func (p *person) argv(args []string) []string {
	return append([]string{filepath.Join(p.w.clients, "node_modules/@agentsecretstore/cli/dist/index.js")}, args...)
}

// ass runs the CLI with pipes.
func (p *person) ass(t *testing.T, args ...string) result {
	t.Helper()
	return p.w.run(t, patience, p.work, p.env, "node", p.argv(args)...)
}

// sit runs the CLI on a terminal.
func (p *person) sit(t *testing.T, args ...string) *terminal {
	t.Helper()
	cmd := exec.Command("node", p.argv(args)...)
	cmd.Dir, cmd.Env = p.work, p.env
	return newTerminal(t, cmd)
}

// json runs the CLI with --json and decodes what it prints.
func (p *person) json(t *testing.T, out any, args ...string) {
	t.Helper()
	r := p.ass(t, append(args, "--json")...).ok(t)
	if err := json.Unmarshal([]byte(r.stdout), out); err != nil {
		t.Fatalf("%v\n%s", err, r)
	}
}
