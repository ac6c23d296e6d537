package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault"
)

type verifyCmd struct {
	dataFlags      `embed:""`
	Key            string `placeholder:"ed25519:KEY" help:"The verification key that init or login printed; the vault must be signed by it."`
	AcceptRollback bool   `help:"Accept a data file older than the kept head, after putting a copy back on purpose. Leaves an event."`
	JSON           bool   `name:"json" help:"Print one JSON document."`
}

func (verifyCmd) Help() string {
	return `Checks every event, signature, record and value of a vault that no daemon
has open. It exits 1 and names the first bad event when something is off.

No secret key is read: --key is public, and --key-file only says where the head
file lies. Only --accept-rollback, which writes an event, opens the key file.

Examples:
  assd verify --data-dir /srv/vault
  assd verify --data-dir /srv/vault --key "$VERIFY_KEY"

VERIFY_KEY is "ed25519:" and 44 characters of base64, as "assd init" and
"ass login" print it.`
}

// verdict is what verify prints as JSON.
type verdict struct {
	OK bool `json:"ok"`
	vault.Report
	Compared string `json:"compared"`             // "key", or "nothing"
	KeyHash  string `json:"key_sha256,omitempty"` // of the verification key, "sha256:" and hex; "": none was found
}

// Run verifies the vault.
func (c *verifyCmd) Run(out output) error {
	if _, err := audit.ParseKey(c.Key); c.Key != "" && err != nil {
		return &exitError{2, fmt.Errorf("--key: %w", err)}
	}
	if _, err := os.Lstat(c.KeyFile); c.KeyFile != "" && err != nil {
		return &exitError{2, fmt.Errorf("--key-file: %w", err)}
	}
	if c.AcceptRollback {
		if err := vault.AcceptRollback(c.vault()); err != nil {
			return err
		}
	}
	rep, err := vault.Verify(context.Background(), c.vault())
	if errors.Is(err, store.ErrMissing) {
		return fmt.Errorf("%w; --data-dir says where the vault is", err)
	}
	if err != nil {
		return stillServed(err)
	}
	v := verdict{OK: rep.Problem == "", Report: rep, Compared: "nothing", KeyHash: keyHash(rep.VerifyKey)}
	if c.Key != "" {
		v.Compared = "key"
		if c.Key != rep.VerifyKey && v.OK {
			v.OK, v.FirstBad, v.Problem = false, 1, "signed by another key than the one given"
		}
	}
	if err := c.print(out, v); err != nil {
		return err
	}
	if !v.OK {
		return fmt.Errorf("the vault does not verify: event %d: %s", v.FirstBad, v.Problem)
	}
	return nil
}

func (c *verifyCmd) print(out output, v verdict) error {
	if c.JSON {
		return json.NewEncoder(out.stdout).Encode(v)
	}
	if !v.OK {
		return nil
	}
	how := "consistent with itself, key " + v.KeyHash + ", compared with nothing (--key K compares)"
	if c.Key != "" {
		how = "signed by the key given"
	}
	kept := "agrees"
	if !v.HeadFile {
		kept = "none beside the key file (--key-file says where that is)"
	}
	_, err := fmt.Fprintf(out.stdout, "✓ %d events, %d signed heads, %d records verify: %s\n  verification key: %s\n  head %d %s\n  head file: %s\n",
		v.Events, v.Heads, v.Records, how, v.VerifyKey, v.Head.Seq, v.Head.Hash, kept)
	return err
}

// keyHash is the hash of a verification key, or "" where there is none.
func keyHash(key string) string {
	b, err := audit.ParseKey(key)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}
