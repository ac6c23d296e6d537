package conformance_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// nodeTime is how long one of the scripts may take.
const nodeTime = 2 * time.Minute

// sdk drives both builds of the SDK, and finds what they did in the trail.
func (w *world) sdk(t *testing.T) {
	w.node(t, "sdk.test.mjs", 39)
	for _, build := range []string{"sdk-esm", "sdk-cjs"} {
		for _, act := range []struct{ action, object string }{
			{"secret.write", build + "/api/openai/KEY"},
			{"secret.read", build + "/api/openai/KEY"},
			{"secret.delete", build + "/a/DOOMED"},
			{"secret.import", build + "/env/app"},
			{"secret.read.denied", build + "/gated/KEY"},
			{"secret.read", build + "/gated/KEY"},
			{"secret.write.denied", build + "/gated/CRITICAL"},
			{"secret.write", build + "/gated/CRITICAL"},
			{"approval.request", ""}, {"approval.approve", ""}, {"approval.deny", ""},
			{"agent.revoke", build + "-revoked"},
		} {
			w.audited(t, act.action, act.object)
		}
	}
}

// mcp drives the MCP server over both of its transports.
func (w *world) mcp(t *testing.T) {
	w.node(t, "mcp.test.mjs", 17)
	for _, kind := range []string{"mcp-stdio", "mcp-sse"} {
		for _, act := range []struct{ action, object string }{
			{"secret.write", kind + "/api/openai/KEY"},
			{"secret.read", kind + "/api/openai/KEY"},
			{"secret.read.denied", kind + "/gated/KEY"},
			{"secret.read", kind + "/gated/KEY"},
			{"approval.request", ""}, {"approval.approve", ""}, {"approval.deny", ""},
			{"token.create", ""},
		} {
			w.audited(t, act.action, act.object)
		}
	}
}

var passed = regexp.MustCompile(`(?m)^# pass (\d+)$`)

// node runs a script of testdata beside the clients; least is how many tests
// must have passed, so that none is lost unseen.
func (w *world) node(t *testing.T, script string, least int) {
	t.Helper()
	w.scripts(t, w.clients)
	home := w.folder(t, filepath.Join("people", script))
	env := append(w.env(home),
		"NODE_EXTRA_CA_CERTS="+w.certificates(t),
		"CONFORMANCE_URL="+w.vault.url, "CONFORMANCE_OWNER_KEY="+w.vault.key,
		"CONFORMANCE_LIMITED_URL="+w.limited.url, "CONFORMANCE_LIMITED_KEY="+w.limited.key)
	r := w.run(t, nodeTime, w.clients, env, "node", "--test", "--test-reporter=tap", script)
	count := passed.FindStringSubmatch(r.stdout)
	if r.code != 0 || count == nil {
		t.Fatalf("%s: exit code %d\n%s\n%s", script, r.code, failures(r.stdout), cut(r.stderr))
	}
	if n, err := strconv.Atoi(count[1]); err != nil || n < least {
		t.Errorf("%s: %d tests passed, want %d or more", script, n, least)
	}
}

var notOK = regexp.MustCompile(`(?ms)^ *not ok .*?^ *\.\.\.$`)

// failures is what a report says of the tests that failed.
func failures(report string) string {
	var text string
	for _, one := range notOK.FindAllString(report, -1) {
		text += cut(one) + "\n"
	}
	if text == "" {
		return cut(report)
	}
	return text
}

// scripts puts those of testdata into a folder with node_modules, from where
// Node finds the packages.
func (w *world) scripts(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob("testdata/*.mjs")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		write(t, filepath.Join(dir, filepath.Base(file)), read(t, file), 0o600)
	}
}

// certificates is a file with those of both daemons.
func (w *world) certificates(t *testing.T) string {
	t.Helper()
	file := filepath.Join(w.dir, "both.pem")
	write(t, file, read(t, w.vault.cert)+read(t, w.limited.cert), os.FileMode(0o600))
	return file
}
