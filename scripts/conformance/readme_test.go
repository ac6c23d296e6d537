package conformance_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// readmeTime is how long all commands of the section may take together.
const readmeTime = 2 * time.Minute

var fence = regexp.MustCompile("(?ms)^```([a-z]+)\n(.*?)^```$")

// readme runs every command of README's section on the clients, in a home and a
// folder of their own, on ports that are free here.
func (w *world) readme(t *testing.T) {
	_, section, found := strings.Cut(read(t, "../../README.md"), "\n## The published clients\n")
	if !found {
		t.Fatal("README.md has no section on the published clients")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	_, port, _ := strings.Cut(freeAddr(t), ":")
	_, ssePort, _ := strings.Cut(freeAddr(t), ":")
	section = strings.NewReplacer("8443", port, "3100", ssePort, "sk-proj-...", marker,
		"sleep 1;", `until [ -S "$XDG_RUNTIME_DIR/assd/assd.sock" ]; do sleep 0.1; done;`).Replace(section)
	home := w.folder(t, "readme")
	work := w.folder(t, "readme/work")
	script := "trap 'trap \"\" TERM; kill 0; wait' EXIT\n"
	blocks := map[string]int{}
	for _, m := range fence.FindAllStringSubmatch(section, -1) {
		blocks[m[1]]++
		switch m[1] {
		case "sh":
			script += m[2]
		case "js":
			write(t, filepath.Join(work, "app.mjs"), m[2], 0o600)
		case "json":
			write(t, filepath.Join(work, "mcp.json"), m[2], 0o600)
		}
	}
	if blocks["sh"] == 0 || blocks["js"] != 1 || blocks["json"] != 1 {
		t.Fatalf("the section has the blocks %v", blocks)
	}
	w.scripts(t, work)
	script += "npm install --no-save --no-audit --no-fund " + mcpClient + "\nnode readme.mjs mcp.json http://localhost:" + ssePort + "\n"
	r := w.run(t, readmeTime, work, w.npmEnv(t, home), "bash", "-euo", "pipefail", "-c", script).ok(t)
	if n := strings.Count(r.stdout, marker); n != 3 {
		t.Errorf("CLI, SDK and MCP server print the value %d times\n%s", n, r)
	}
}

// npmEnv is env with what npm needs to find packages as it does outside.
func (w *world) npmEnv(t *testing.T, home string) []string {
	t.Helper()
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "ASS") {
			env = append(env, e)
		}
	}
	for name, option := range map[string]string{"NPM_CONFIG_USERCONFIG": "userconfig", "NPM_CONFIG_CACHE": "cache"} {
		r := w.run(t, patience, w.clients, os.Environ(), "npm", "config", "get", option).ok(t)
		env = append(env, name+"="+strings.TrimSpace(r.stdout))
	}
	// Where assd puts its things for anyone but root.
	env = append(env, "ASSD_DATA_DIR="+filepath.Join(home, "share/assd"), "ASSD_SOCKET="+filepath.Join(home, "run/assd/assd.sock"))
	return append(env, w.env(home)...)
}
