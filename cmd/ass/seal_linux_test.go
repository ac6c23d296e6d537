package main_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/internal/testenv"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/seal"
)

// sealVault is a claimed vault of a daemon with these flags, and its owner's key.
func sealVault(t *testing.T, flags ...string) (v *realVault, owner string) {
	t.Helper()
	v = newRealVault(t)
	v.flags = flags
	v.start()
	t.Cleanup(v.stop)
	v.ass("login", "--no-passphrase")
	v.ass("secrets", "set", "a/K", "the value that must not stay")
	return v, v.owner()
}

// owner is the key that ass login has kept.
func (v *realVault) owner() string {
	v.t.Helper()
	rc, err := os.ReadFile(filepath.Join(v.dir, ".assrc"))
	if err != nil {
		v.t.Fatal(err)
	}
	_, key, _ := strings.Cut(string(rc), "ASS_AGENT_KEY=")
	key, _, _ = strings.Cut(key, "\n")
	return strings.Trim(key, `"`)
}

// makes writes a program.
func (v *realVault) makes(name, text string) (path string) {
	v.t.Helper()
	path = filepath.Join(v.dir, name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		v.t.Fatal(err)
	}
	return path
}

// asks makes one request on a connection of its own.
func (v *realVault) asks(method, target, key, body string) (status int, answer string) {
	v.t.Helper()
	return readAnswer(v.t, v.send(method, target, key, body, len(body)))
}

// send sends a request, or its beginning: so much of the body.
func (v *realVault) send(method, target, key, body string, much int) net.Conn {
	v.t.Helper()
	c, err := net.Dial("unix", filepath.Join(v.dir, "s"))
	if err != nil {
		v.t.Fatal(err)
	}
	v.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(time.Minute))
	fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", method, target, key, len(body), body[:much])
	return c
}

func readAnswer(t *testing.T, c net.Conn) (status int, answer string) {
	t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("half an answer: %v", err)
	}
	return res.StatusCode, string(b)
}

// wants makes a request and checks its status.
func (v *realVault) wants(status int, method, target, key, body string) string {
	v.t.Helper()
	got, answer := v.asks(method, target, key, body)
	if got != status {
		v.t.Fatalf("%s %s: %d %s; want %d", method, target, got, answer, status)
	}
	return answer
}

// unseals opens the vault.
func (v *realVault) unseals() {
	v.t.Helper()
	v.wants(200, "POST", "/v1/vault/unseal", "", "")
}

// descriptors are how many the daemon has open.
func (v *realVault) descriptors() int {
	v.t.Helper()
	names, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", v.daemon.Process.Pid))
	if err != nil {
		v.t.Fatal(err)
	}
	return len(names)
}

// TestSealCycles: sealed and unsealed again and again, it is the same process on the same
// sockets, with no more descriptors, confined as it was; who connects meanwhile is served.
func TestSealCycles(t *testing.T) {
	v, owner := sealVault(t, "--listen", "127.0.0.1:0")
	socket, err := os.Stat(filepath.Join(v.dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	me := v.wants(200, "GET", "/v1/me", owner, "")
	full := strings.Contains(me, `"confined":"full"`)
	const cycles = 20 // more than Landlock lets be laid on one another
	flat := 0
	for n := range cycles {
		idle := v.send("GET", "/v1/health", "", "x", 0) // without its end
		v.wants(200, "POST", "/v1/vault/seal", owner, `{}`)
		waits := v.send("GET", "/v1/health", "", "", 0)
		if status, answer := readAnswer(t, waits); status != 200 || !strings.Contains(answer, `"sealed":true`) {
			t.Fatalf("cycle %d: who waited got %d %s", n, status, answer)
		}
		idle.Close()
		v.wants(503, "GET", "/v1/secrets/a/K", owner, "")
		v.unseals()
		v.wants(200, "GET", "/v1/secrets/a/K", owner, "")
		if n == 1 {
			flat = v.descriptors()
		}
	}
	if got := v.descriptors(); got > flat+1 { // one may be a connection that is about to end
		t.Errorf("after %d cycles it has %d descriptors open, after two %d", cycles, got, flat)
	}
	if is, err := os.Stat(filepath.Join(v.dir, "s")); err != nil || !os.SameFile(socket, is) {
		t.Errorf("the socket is another one: %v", err)
	}
	me = v.wants(200, "GET", "/v1/me", owner, "")
	if strings.Contains(me, `"confined":"full"`) != full {
		t.Errorf("confined in full before: %v; now %s", full, me)
	}
	v.verifies()
}

// verifies stops the daemon, which must end well, and verifies what it leaves.
func (v *realVault) verifies() {
	v.t.Helper()
	v.daemon.Process.Signal(syscall.SIGTERM)
	if err := v.daemon.Wait(); err != nil {
		v.t.Errorf("the daemon ended so: %v\n%s", err, v.log.String())
	}
	if _, err := os.Stat(filepath.Join(v.dir, "s")); err == nil {
		v.t.Error("it leaves its socket")
	}
	v.verified()
}

// verified verifies what a daemon has left.
func (v *realVault) verified() {
	v.t.Helper()
	if out, err := exec.Command(filepath.Join(bin, "assd"), "verify", "--data-dir", filepath.Join(v.dir, "data")).CombinedOutput(); err != nil {
		v.t.Errorf("verify: %v\n%s", err, out)
	}
}

// TestSealThenTerm: a daemon that is stopped just after it was sealed, whatever it is at by
// then, ends soon and leaves a whole file. In the moment of the exec the signal itself ends
// it, so that its socket stays for the next start to replace.
func TestSealThenTerm(t *testing.T) {
	v, owner := sealVault(t)
	for n, after := range []time.Duration{0, 5 * time.Millisecond, 200 * time.Millisecond} {
		if n > 0 {
			v.start()
		}
		v.wants(200, "POST", "/v1/vault/seal", owner, "")
		time.Sleep(after)
		v.daemon.Process.Signal(syscall.SIGTERM)
		late := time.AfterFunc(time.Minute, func() { v.daemon.Process.Kill() })
		err := v.daemon.Wait()
		late.Stop()
		_, left := os.Stat(filepath.Join(v.dir, "s"))
		if s, ok := v.daemon.ProcessState.Sys().(syscall.WaitStatus); !ok || s.Signal() != syscall.SIGTERM && (err != nil || left == nil) {
			t.Errorf("stopped after %v it ended so: %v, its socket %v\n%s", after, err, left, v.log.String())
		}
		v.verified()
	}
	v.start()
	v.wants(200, "GET", "/v1/secrets/a/K", owner, "")
}

// TestSealThenHangup: to be asked for its files again just then does not end a daemon.
func TestSealThenHangup(t *testing.T) {
	v, owner := sealVault(t)
	for _, after := range []time.Duration{0, 5 * time.Millisecond, 20 * time.Millisecond} {
		v.wants(200, "POST", "/v1/vault/seal", owner, "")
		time.Sleep(after)
		v.daemon.Process.Signal(syscall.SIGHUP)
		v.unseals()
		v.wants(200, "GET", "/v1/secrets/a/K", owner, "")
	}
	v.verifies()
}

// TestSealOnAGivenSocket: the socket that systemd has handed over outlives a seal, is served
// on before and behind it, and is not removed at the end.
func TestSealOnAGivenSocket(t *testing.T) {
	v := newRealVault(t)
	socket := filepath.Join(v.dir, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // which systemd keeps
	f, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	before, err := os.Stat(socket)
	if err != nil {
		t.Fatal(err)
	}
	v.files = []*os.File{f}
	v.program = v.makes("activated", `LISTEN_FDS=1 LISTEN_PID=$$ exec `+filepath.Join(bin, "assd")+` "$@"`)
	v.start()
	t.Cleanup(v.stop)
	v.ass("login", "--no-passphrase")
	owner := v.owner()
	for range 2 {
		v.wants(200, "POST", "/v1/vault/seal", owner, "")
		v.wants(503, "GET", "/v1/me", owner, "")
		v.unseals()
		v.wants(200, "GET", "/v1/me", owner, "")
	}
	v.wants(200, "POST", "/v1/vault/seal", owner, "")
	v.daemon.Process.Signal(syscall.SIGTERM)
	err = v.daemon.Wait()
	if s, ok := v.daemon.ProcessState.Sys().(syscall.WaitStatus); !ok || s.Signal() != syscall.SIGTERM && err != nil { // as in TestSealThenTerm
		t.Errorf("the daemon ended so: %v\n%s", err, v.log.String())
	}
	if is, err := os.Stat(socket); err != nil || !os.SameFile(before, is) {
		t.Errorf("it has not left systemd's socket as it was: %v", err)
	}
}

// TestSealedWhileTheFileChanges: a vault with an approval passphrase goes by the
// configuration that was accepted. What changes while an owner has sealed it waits for
// acceptance; where a start was sealed by flags that nobody has accepted, that is told as
// soon as it shows, and nothing is served by them.
func TestSealedWhileTheFileChanges(t *testing.T) {
	v := newRealVault(t)
	secret := v.file("secret", "correct horse battery staple")
	accepted := fmt.Sprintf("seal-command = %q\nlog-level = \"info\"", v.makes("opens", "exec cat "+secret))
	changed := strings.Replace(accepted, "info", "debug", 1)
	v.flags = []string{"--seal", "command", "--config", v.file("assd.toml", accepted)}
	v.start()
	t.Cleanup(v.stop)
	v.ass("login", "--passphrase-file", v.file("pass", passphrase))
	owner := v.owner()

	v.wants(200, "POST", "/v1/vault/seal", owner, "")
	v.file("assd.toml", changed)
	v.unseals()
	if me := v.wants(200, "GET", "/v1/me", owner, ""); !strings.Contains(me, `"config":"held"`) {
		t.Errorf("changed while sealed, it is in force: %s", me)
	}
	v.verifies()

	if err := os.Rename(secret, secret+".away"); err != nil {
		t.Fatal(err)
	}
	v.start()
	v.wants(503, "GET", "/v1/me", owner, "")
	if err := os.Rename(secret+".away", secret); err != nil {
		t.Fatal(err)
	}
	const told = "the configuration file sets other than what an owner has accepted last: log-level; that counted while the vault was sealed: put it back"
	if answer := v.wants(500, "POST", "/v1/vault/unseal", "", ""); !strings.Contains(answer, told) {
		t.Errorf("told %s", answer)
	}
	if err := v.daemon.Wait(); v.daemon.ProcessState.ExitCode() != 1 || strings.Count(v.log.String(), "assd: "+told) != 1 {
		t.Errorf("it ended so: %v\n%s", err, v.log.String())
	}
	v.verified()
}

// TestSealLetsRequestsFinish: what is under way is answered, streams end, and what comes
// too late is told that the vault is sealed.
func TestSealLetsRequestsFinish(t *testing.T) {
	v, owner := sealVault(t)
	const body = `{"value":"too late"}`
	late := v.send("PUT", "/v1/secrets/a/LATE", owner, body, 5)
	follow, err := http.ReadResponse(bufio.NewReader(v.send("GET", "/v1/audit/follow", owner, "", 0)), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer follow.Body.Close()
	v.wants(200, "GET", "/v1/me", owner, "")
	time.Sleep(50 * time.Millisecond) // so that the head has been read; if not, it may end without an answer
	began := time.Now()
	v.wants(200, "POST", "/v1/vault/seal", owner, "")
	if events, err := io.ReadAll(follow.Body); err != nil || follow.StatusCode != 200 || !strings.Contains(string(events), "vault.seal") {
		t.Errorf("a stream got %d %.300s, %v", follow.StatusCode, events, err)
	}
	fmt.Fprint(late, body[5:])
	if status, answer := readAnswer(t, late); status != 503 || !strings.Contains(answer, `"SEALED"`) {
		t.Errorf("a request under way got %d %s", status, answer)
	}
	v.unseals()
	if took := time.Since(began); took > 9*time.Second { // less than a drain may take
		t.Errorf("it took %v", took)
	}
	v.wants(404, "GET", "/v1/secrets/a/LATE", owner, "")
	v.verifies()
}

// TestSealClearsMemory: neither the root key nor a value is in the process once it is
// sealed, and both were.
func TestSealClearsMemory(t *testing.T) {
	v, owner := sealVault(t)
	v.daemon.Process.Signal(syscall.SIGTERM)
	v.daemon.Wait()
	root := v.rootKey()
	v.start()
	v.wants(200, "GET", "/v1/secrets/a/K", owner, "")
	secrets := map[string][]byte{"the root key": root, "a value": []byte("the value that must not stay"), "the owner's key": []byte(owner)}
	if !v.inMemory(secrets)["the root key"] {
		t.Error("the root key is not found while the vault is open")
	}
	v.wants(200, "POST", "/v1/vault/seal", owner, "")
	v.wants(200, "GET", "/v1/health", "", "")
	for what := range v.inMemory(secrets) {
		t.Errorf("sealed, it still has %s in memory", what)
	}
	v.unseals()
	if !v.inMemory(secrets)["the root key"] {
		t.Error("the root key is not found when the vault is open again")
	}
}

// inMemory looks for secrets in all of the daemon's memory.
func (v *realVault) inMemory(secrets map[string][]byte) (found map[string]bool) {
	v.t.Helper()
	pid := v.daemon.Process.Pid
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		testenv.Skip(v.t, "the memory of another process cannot be read here: "+err.Error())
	}
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		testenv.Skip(v.t, "the memory of another process cannot be read here: "+err.Error())
	}
	defer mem.Close()
	found = map[string]bool{}
	for line := range strings.Lines(string(maps)) {
		var from, to int64
		var mode string
		if n, _ := fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode); n != 3 || mode[0] != 'r' || !strings.HasSuffix(mode, "p") {
			continue
		}
		const piece, overlap = 1 << 20, 256
		buf := make([]byte, piece+overlap)
		for at := from; at < to; at += piece {
			n, _ := mem.ReadAt(buf[:min(piece+overlap, to-at)], at)
			for what, secret := range secrets {
				found[what] = found[what] || bytes.Contains(buf[:n], secret)
			}
		}
	}
	for what, is := range found {
		if !is {
			delete(found, what)
		}
	}
	return found
}

// rootKey opens the slot of the data file with the key file by hand.
func (v *realVault) rootKey() []byte {
	v.t.Helper()
	db, err := store.Open(store.Config{Path: filepath.Join(v.dir, "data", "vault.db"), ReadOnly: true, MustExist: true})
	if err != nil {
		v.t.Fatal(err)
	}
	defer db.Close()
	var slot seal.Slot
	var state struct{ Tenant string }
	err = db.View(func(s *store.Snapshot) error {
		_, raw := s.Last(store.Slots)
		rec, _ := audit.ParseRecord(raw)
		if slot, err = seal.ParseSlot(rec.Content); err != nil {
			return err
		}
		rec, _ = audit.ParseRecord(s.Get(store.Vault, []byte("state")))
		return json.Unmarshal(rec.Content, &state)
	})
	if err != nil {
		v.t.Fatal(err)
	}
	return openSlot(v.t, slot, state.Tenant, filepath.Join(v.dir, "data", "root.key"))
}

func openSlot(t *testing.T, slot seal.Slot, tenant, keyFile string) []byte {
	t.Helper()
	text, err := os.ReadFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ = bytes.Cut(bytes.TrimSpace(text), []byte(":"))
	key, err := base64.RawURLEncoding.DecodeString(string(text))
	if err != nil {
		t.Fatal(err)
	}
	wrap, err := hkdf.Key(sha256.New, key, slot.Salt, "ass-slot-v1/file", 32)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(wrap)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	var ad []byte
	for _, part := range [][]byte{[]byte("ass-slot-v1"), []byte(tenant), []byte(slot.ID), []byte(slot.Kind), slot.Salt} {
		ad = append(binary.BigEndian.AppendUint16(ad, uint16(len(part))), part...)
	}
	ad = append(ad, make([]byte, 9)...) // without Argon2
	root, err := gcm.Open(nil, slot.Wrapped[:12], slot.Wrapped[12:], ad)
	if err != nil {
		t.Fatalf("opening the slot by hand: %v", err)
	}
	return root
}

// TestUnsealAtOnce: who has just sealed the vault unseals it, also on the same
// connection, and is not told by the daemon that ends that it is sealed.
func TestUnsealAtOnce(t *testing.T) {
	v, owner := sealVault(t)
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(v.dir, "s"))
	}}}
	post := func(path string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://h"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+owner)
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if b, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %s", path, res.StatusCode, b)
		}
	}
	for range 5 {
		post("/v1/vault/seal")
		post("/v1/vault/unseal")
	}
}

// TestSealThatCannotGoOn: a daemon that cannot execute itself ends, with one line.
func TestSealThatCannotGoOn(t *testing.T) {
	v := newRealVault(t)
	v.program = filepath.Join(v.dir, "assd")
	b, err := os.ReadFile(filepath.Join(bin, "assd"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(v.program, b, 0o755); err != nil {
		t.Fatal(err)
	}
	v.start()
	v.ass("login", "--no-passphrase")
	if err := os.Chmod(v.program, 0); err != nil {
		t.Fatal(err)
	}
	v.ass("vault", "seal")
	err = v.daemon.Wait()
	if v.daemon.ProcessState.ExitCode() != 1 || strings.Count(v.log.String(), "assd: the vault is sealed, and assd ends because it cannot go on: ") != 1 {
		t.Errorf("it ended so: %v\n%s", err, v.log.String())
	}
}

// TestSealKeepsTheHelper: what opens the vault, and what makes values, is run by the
// helper from before, which a confined daemon could not start any more.
func TestSealKeepsTheHelper(t *testing.T) {
	v := newRealVault(t)
	data := filepath.Join(v.dir, "data")
	opens, rotates := v.makes("opens", "echo correct horse battery staple"), v.makes("rotates", "date +%s%N")
	v.flags = []string{"--config", v.file("assd.toml", fmt.Sprintf("seal-command = %q\n[[rotator]]\npath = \"a/K\"\ncommand = [%q]", opens, rotates))}
	init := exec.Command(filepath.Join(bin, "assd"), "init", "--json", "--seal", "command", "--seal-command", opens, "--data-dir", data)
	out, err := init.Output()
	var made struct {
		Key string `json:"owner_key"`
	}
	if err != nil || json.Unmarshal(out, &made) != nil {
		t.Fatalf("init: %v", err)
	}
	v.start() // it opens the vault by itself
	t.Cleanup(v.stop)
	values := map[string]bool{}
	next := func() {
		t.Helper()
		v.wants(200, "POST", "/v1/secrets/a/K/rotate", made.Key, "")
		values[v.wants(200, "GET", "/v1/secrets/a/K", made.Key, "")] = true
	}
	v.wants(200, "PUT", "/v1/secrets/a/K", made.Key, `{"value":"first"}`)
	next()
	v.wants(200, "POST", "/v1/vault/seal", made.Key, "")
	v.unseals()
	next()
	if len(values) != 2 {
		t.Errorf("rotated to %d values, want 2", len(values))
	}
	v.verifies()
}

// TestUnsealOverTLS: only where the operator wants that; on the socket always.
func TestUnsealOverTLS(t *testing.T) {
	for _, remote := range []bool{false, true} {
		v := newRealVault(t)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address := l.Addr().String()
		l.Close()
		v.flags = []string{"--listen", address}
		if remote {
			v.flags = append(v.flags, "--unseal-remote")
		}
		v.start()
		t.Cleanup(v.stop)
		v.ass("login", "--no-passphrase")
		v.ass("vault", "seal")
		client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		res, err := client.Post("https://"+address+"/v1/vault/unseal", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if want := map[bool]int{false: 403, true: 200}[remote]; res.StatusCode != want {
			t.Errorf("with the setting %v: %d %s", remote, res.StatusCode, body)
		}
		if answer := v.wants(200, "GET", "/v1/health", "", ""); strings.Contains(answer, `"sealed":true`) == remote {
			t.Errorf("with the setting %v it is %s", remote, answer)
		}
	}
}

// TestForgedHandover: what stands in the variable by which a daemon hands over to itself,
// and is not from there, is refused before anything is done.
func TestForgedHandover(t *testing.T) {
	dir := t.TempDir()
	for _, text := range []string{"", "{", "{}", `{"pid":1,"sockets":{"socket":3},"state":{}}`} {
		cmd := exec.Command(filepath.Join(bin, "assd"), "--data-dir", filepath.Join(dir, "data"), "--socket", filepath.Join(dir, "s"))
		cmd.Env = []string{"HOME=" + dir, "ASSD_HANDOVER=" + text}
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != 1 || string(out) != "assd: ASSD_HANDOVER is set, and not by assd itself: unset it\n" {
			t.Errorf("%q: %v %s", text, err, out)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
}
