package conformance_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// daemon is an assd with a vault of its own, served on TLS.
type daemon struct {
	url  string
	key  string // of the owner
	cert string // file with its certificate
	data string
	log  string // file with all it says
	cmd  *exec.Cmd
	http *http.Client
}

// start makes a vault and an owner and serves it on a free port of this machine,
// with the certificate that assd makes. config is its assd.toml.
func (w *world) start(t *testing.T, name, config string) *daemon {
	t.Helper()
	home := w.folder(t, name)
	addr := freeAddr(t)
	d := &daemon{
		url:  "https://" + addr,
		data: filepath.Join(home, "data"),
		log:  filepath.Join(home, "assd.log"),
		cert: filepath.Join(home, "assd.pem"),
	}
	env := w.env(home)
	made := w.run(t, patience, home, env, filepath.Join(w.bin, "assd"), "init", "--data-dir", d.data, "--json").ok(t)
	var owner struct {
		Key string `json:"owner_key"`
	}
	if err := json.Unmarshal([]byte(made.stdout), &owner); err != nil || owner.Key == "" {
		t.Fatalf("assd init: %v", err)
	}
	d.key = owner.Key
	if config != "" {
		write(t, filepath.Join(d.data, "assd.toml"), config, 0o600)
	}
	w.serve(t, d, home, env, addr)
	w.trust(t, d, home, env)
	return d
}

// env is the environment of a process that lives in home: nothing of the one
// that the tests were started in but the path.
func (w *world) env(home string) []string {
	return []string{
		"HOME=" + home, "PATH=" + w.path, "LANG=C.UTF-8",
		"XDG_CONFIG_HOME=" + filepath.Join(home, "config"),
		"XDG_DATA_HOME=" + filepath.Join(home, "share"),
		"XDG_CACHE_HOME=" + filepath.Join(home, "cache"),
		"XDG_RUNTIME_DIR=" + filepath.Join(home, "run"),
	}
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// serve runs assd until it takes connections. It is stopped with the test, if
// not before.
func (w *world) serve(t *testing.T, d *daemon, home string, env []string, addr string) {
	t.Helper()
	log, err := os.OpenFile(d.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	// In the group of the tests: what interrupts them stops assd too.
	d.cmd = exec.Command(filepath.Join(w.bin, "assd"), "--data-dir", d.data, "--socket", d.socket(), "--listen", addr, "--log-level", "debug")
	d.cmd.Dir, d.cmd.Env, d.cmd.Stdout, d.cmd.Stderr = home, env, log, log
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.kill() })
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return
		}
	}
	t.Fatalf("assd does not listen on %s:\n%s", addr, cut(read(t, d.log)))
}

func (d *daemon) socket() string { return filepath.Join(filepath.Dir(d.data), "run", "assd.sock") }

// trust fetches the certificate over the local socket, as a person would.
func (w *world) trust(t *testing.T, d *daemon, home string, env []string) {
	t.Helper()
	env = append(env, "ASS_API_URL=unix://"+d.socket(), "ASS_AGENT_KEY="+d.key)
	pem := w.run(t, patience, home, env, filepath.Join(w.bin, "ass"), "vault", "cert").ok(t).stdout
	write(t, d.cert, pem, 0o600)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(pem)) {
		t.Fatalf("ass vault cert prints no certificate: %q", pem)
	}
	d.http = &http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
}

// stop sends SIGTERM and returns the exit code.
func (d *daemon) stop(t *testing.T) int {
	t.Helper()
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(patience, func() { d.cmd.Process.Kill() })
	defer timer.Stop()
	if err := d.cmd.Wait(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	return d.cmd.ProcessState.ExitCode()
}

// kill ends a daemon that still runs.
func (d *daemon) kill() {
	if d.cmd.ProcessState == nil {
		d.cmd.Process.Kill()
		d.cmd.Wait()
	}
}

// call sends a request, decodes the answer into out unless that is nil, and
// returns the status.
func (d *daemon) call(t *testing.T, method, path, key string, in, out any) int {
	t.Helper()
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, d.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := d.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if out != nil {
		if err := json.Unmarshal(b, out); err != nil {
			t.Fatalf("%s %s: status %d: %v", method, path, resp.StatusCode, err)
		}
	}
	return resp.StatusCode
}

// agent makes an agent by the API and returns its key.
func (d *daemon) agent(t *testing.T, name string, namespaces, scopes []string) string {
	t.Helper()
	var made struct {
		APIKey string `json:"api_key"`
	}
	in := map[string]any{"name": name, "allowed_namespaces": namespaces, "allowed_scopes": scopes}
	if status := d.call(t, "POST", "/v1/agents", d.key, in, &made); status != http.StatusOK {
		t.Fatalf("making agent %q: status %d", name, status)
	}
	return made.APIKey
}

// put stores a secret by the API, as the owner.
func (d *daemon) put(t *testing.T, path, text, tier string) {
	t.Helper()
	in := map[string]any{"value": text, "access_tier": tier}
	if status := d.call(t, "PUT", "/v1/secrets/"+path, d.key, in, nil); status != http.StatusOK {
		t.Fatalf("storing %q: status %d", path, status)
	}
}

// get reads a secret by the API with any key or token.
func (d *daemon) get(t *testing.T, path, key string) (text string, status int) {
	t.Helper()
	var s struct {
		Value string `json:"value"`
	}
	status = d.call(t, "GET", "/v1/secrets/"+path, key, nil, &s)
	return s.Value, status
}
