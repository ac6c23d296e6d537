package main_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/audit/chain"
	"github.com/agent-secret-store/assd/vault/api"
)

const liarTenant = "ten_aaaaaaaaaaaaaaaaaaaaaaaaaa"

// liar is a daemon that says of its trail what it likes, signed by its own key.
type liar struct {
	key  ed25519.PrivateKey
	size uint64
	says chain.Hash // of each older event
}

func liarKey(n byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize))
}

func keyOf(k ed25519.PrivateKey) chain.Key { return chain.Key(k.Public().(ed25519.PublicKey)) }

// trail is a trail of that size as jsonl with its signed head, and that head; what
// differs is in its last event.
func (l *liar) trail(differs string) (text string, h chain.Head) {
	h.Epoch = 1
	for n := uint64(1); n <= l.size; n++ {
		e := `{"id":"evt_x","time":"2026-01-01T00:00:00.000Z","actor":{"id":"own_x","kind":"owner","name":"o"},"action":"secret.read","outcome":"ok","reason":"` + differs + `"}`
		if n == 1 {
			e = `{"id":"evt_1","time":"2026-01-01T00:00:00.000Z","actor":{"id":"sys","kind":"system","name":"assd"},"action":"vault.init","outcome":"ok","vault":{"tenant":"` + liarTenant + `","verify_key":"` + keyOf(l.key).String() + `","epoch":1}}`
		}
		prev := h.Hash
		h.Seq, h.Hash = n, chain.Link(n, prev, []byte(e))
		line, _ := json.Marshal(api.AuditLine{Seq: n, Prev: prev.String(), Hash: h.Hash.String(), Event: e})
		text += string(line) + "\n"
	}
	line, _ := json.Marshal(api.AuditHead{Head: h.Seq, Epoch: 1, Signature: chain.Sign(h, liarTenant, l.key).Bytes})
	return text + string(line) + "\n", h
}

func (l *liar) serve(t *testing.T, differs string) string {
	text, h := l.trail(differs)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v1/audit/export":
			w.Write([]byte(text))
		case "/v1/audit/checkpoint":
			c := api.Checkpoint{
				Checkpoint: chain.NewCheckpoint(liarTenant, h, keyOf(l.key), chain.Sign(h, liarTenant, l.key).Bytes).String(),
				Tenant:     liarTenant, Size: h.Seq, Hash: h.Hash.String(), Epoch: 1, VerifyKey: keyOf(l.key).String(), FirstKey: keyOf(l.key).String(),
			}
			if _, err := strconv.Atoi(r.URL.Query().Get("size")); err == nil {
				c.HashAt = l.says.String()
			}
			json.NewEncoder(w).Encode(c)
		case "/v1/audit/verify":
			json.NewEncoder(w).Encode(api.TrailCheck{OK: true})
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// TestLyingDaemon: what a daemon says that turns out to be false, or is signed by a key
// that is not trusted, takes the place of nothing that was seen.
func TestLyingDaemon(t *testing.T) {
	home := t.TempDir()
	run := func(url string, key ed25519.PrivateKey, args ...string) (string, int) {
		t.Helper()
		rc := "ASS_AGENT_KEY=ask_live_x\nASS_API_URL=" + url + "\n"
		if key != nil {
			rc += "ASS_VERIFY_KEY=" + keyOf(key).String() + "\n"
		}
		if err := os.WriteFile(filepath.Join(home, ".assrc"), []byte(rc), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(filepath.Join(bin, "ass"), args...)
		cmd.Env = []string{"HOME=" + home}
		out, _ := cmd.CombinedOutput()
		return string(out), cmd.ProcessState.ExitCode()
	}
	kept := filepath.Join(home, ".local/state/ass/checkpoints", liarTenant)
	memory := func() string {
		b, _ := os.ReadFile(kept)
		return string(b)
	}
	ours, theirs := liarKey(1), liarKey(2)

	if out, code := run((&liar{key: theirs, size: 3}).serve(t, "x"), ours, "audit", "checkpoint"); code != 1 || !strings.Contains(out, "foreign signature") || memory() != "" {
		t.Errorf("a foreign key, and nothing seen: %d, %s, kept %q", code, out, memory())
	}
	honest := &liar{key: ours, size: 3}
	if out, code := run(honest.serve(t, "x"), ours, "audit", "verify"); code != 0 || memory() == "" {
		t.Fatalf("%d, %s", code, out)
	}
	was := memory()
	_, head := honest.trail("x")
	for name, tc := range map[string]struct {
		liar    liar
		trusted ed25519.PrivateKey
		args    []string
		want    string
	}{
		"a foreign key":              {liar{key: theirs, size: 5, says: head.Hash}, nil, []string{"audit", "checkpoint"}, "signed by other keys"},
		"a foreign key, verified":    {liar{key: theirs, size: 5, says: head.Hash}, nil, []string{"audit", "verify"}, "signed by other keys"},
		"another history, and a lie": {liar{key: ours, size: 5, says: head.Hash}, ours, []string{"audit", "verify"}, "another history"},
	} {
		url := tc.liar.serve(t, "other")
		for range 2 { // also when it is asked again
			if out, code := run(url, tc.trusted, tc.args...); code != 1 || !strings.Contains(out, tc.want) || memory() != was {
				t.Errorf("%s: exit code %d, %s, kept\n%s", name, code, out, memory())
			}
		}
	}
}
