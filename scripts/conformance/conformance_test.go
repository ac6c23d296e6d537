package conformance_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

var (
	npmFlag = flag.Bool("npm", false, "install the published clients with npm and drive them")
	binFlag = flag.String("bin", "../../bin", "folder of the ass and assd under test")
)

// TestPublishedClients runs the parts in order: later ones count on the daemon
// and the trail of the earlier.
func TestPublishedClients(t *testing.T) {
	if !*npmFlag {
		t.Skip("the published clients are driven by make conformance")
	}
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	w := newWorld(ctx, t)
	for _, part := range []struct {
		name string
		run  func(*world, *testing.T)
	}{
		{"packages: as published", (*world).packages},
		{"cli: login, logout, whoami, status, init, open", (*world).cliAccount},
		{"cli: secrets", (*world).cliSecrets},
		{"cli: env", (*world).cliEnv},
		{"cli: agents", (*world).cliAgents},
		{"cli: tokens", (*world).cliTokens},
		{"cli: approvals", (*world).cliApprovals},
		{"cli: audit", (*world).cliAudit},
		{"cli: refusals", (*world).cliRefusals},
		{"sdk: every method and error class", (*world).sdk},
		{"mcp: every tool, over stdio and SSE", (*world).mcp},
		{"readme: every command of its section", (*world).readme},
		{"assd: trail, leaks, drain, verify", (*world).aftermath},
	} {
		began := time.Now()
		ok := t.Run(part.name, func(t *testing.T) { part.run(w, t) })
		fmt.Printf("%-6s %s (%.1f s)\n", verdict(ok), part.name, time.Since(began).Seconds())
		if ctx.Err() != nil || !ok && part.name == "packages: as published" {
			t.FailNow()
		}
	}
}

func verdict(ok bool) string {
	if ok {
		return "ok"
	}
	return "FAILED"
}

// world is one run: the clients, installed, and the daemons that they meet.
type world struct {
	ctx     context.Context // over once the tests are interrupted
	dir     string          // of this run; gone afterwards
	clients string          // the folder with node_modules
	bin     string          // the folder of ass and assd
	path    string          // $PATH of all that is started
	vault   *daemon         // what the clients use
	limited *daemon         // one request a second for each key
	taken   map[string]bool // ids of the events that audited has found
}

func newWorld(ctx context.Context, t *testing.T) *world {
	t.Helper()
	bin, err := filepath.Abs(*binFlag)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{filepath.Join(bin, "ass"), filepath.Join(bin, "assd"), "node", "npm"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Fatalf("%s is missing: %v", name, err)
		}
	}
	dir := t.TempDir()
	w := &world{ctx: ctx, dir: dir, clients: filepath.Join(dir, "clients"), bin: bin, taken: map[string]bool{}}
	w.path = filepath.Join(dir, "openers") + ":" + bin + ":" + os.Getenv("PATH")
	w.vault = w.start(t, "vault", "")
	w.limited = w.start(t, "limited", "[limits]\nrequests_per_second = 1\n")
	return w
}

// folder makes a folder of this run.
func (w *world) folder(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join(w.dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// marker is in every value that is stored, so that a leak can be found.
const marker = "conformance-plaintext"

// value is a secret value that can be found again.
func value(text string) string { return marker + " " + text }

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
