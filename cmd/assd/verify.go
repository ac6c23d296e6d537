package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/audit/chain"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault"
)

type verifyCmd struct {
	dataFlags      `embed:""`
	unsealFlags    `embed:""`
	Key            string `placeholder:"ed25519:KEY" help:"The verification key that init or login printed; the vault must be signed by it."`
	Checkpoint     string `placeholder:"FILE" help:"A checkpoint kept earlier, as ass audit checkpoint printed it, or - for stdin: the trail must go on from it."`
	AcceptRollback bool   `help:"Accept a data file older than the kept head, after putting a copy back on purpose. Leaves an event."`
	Reindex        bool   `help:"First remove the indexes of the audit trail, when they were found wrong; the daemon makes them anew. They hold nothing that the events do not."`
	JSON           bool   `name:"json" help:"Print one JSON document."`
}

func (verifyCmd) Help() string {
	return `Checks every event, signature, record and value of a vault that no daemon
has open. It exits 1 and names the first bad event when something is off.

No secret key is read: --key is public, and --key-file only says where the head
file lies. Only --accept-rollback, which writes an event, opens the vault.

Examples:
  assd verify --data-dir /srv/vault
  assd verify --data-dir /srv/vault --key "$VERIFY_KEY"
  assd verify --data-dir /srv/vault --checkpoint checkpoint.txt

VERIFY_KEY is "ed25519:" and 44 characters of base64, as "assd init",
"ass login" and "ass audit rotate-key" print it: any key that this vault's trail
was ever signed by. A checkpoint is what "ass audit checkpoint" printed: with one,
a trail that was cut, put back or made anew after it was kept is found.`
}

// verdict is what verify prints as JSON.
type verdict struct {
	OK bool `json:"ok"`
	vault.Report
	Compared string `json:"compared"`             // "key", "checkpoint", "key, checkpoint", or "nothing"
	KeyHash  string `json:"key_sha256,omitempty"` // of the verification key, "sha256:" and hex; "": none was found
}

// Run verifies the vault.
func (c *verifyCmd) Run(out output) error {
	key, err := audit.ParseKey(c.Key)
	if c.Key != "" && err != nil {
		return &exitError{2, fmt.Errorf("--key: %w; give it as assd init or ass login printed it", err)}
	}
	known, err := c.known()
	if err != nil {
		return &exitError{2, err}
	}
	if _, err := os.Lstat(c.KeyFile); c.KeyFile != "" && err != nil {
		return &exitError{2, c.Typed.unnamed("--key-file", c.KeyFile, fmt.Errorf("--key-file: %w", err))}
	}
	if c.AcceptRollback {
		cfg, end := c.unsealing(c.dataFlags)
		defer end()
		if err := vault.AcceptRollback(cfg); err != nil {
			return err
		}
	}
	if c.Reindex {
		if err := vault.Reindex(context.Background(), c.vault()); err != nil {
			return stillServed(err)
		}
	}
	rep, err := vault.Verify(context.Background(), c.vault(), known...)
	if errors.Is(err, store.ErrMissing) {
		return fmt.Errorf("%w; --data-dir says where the vault is", err)
	}
	if err != nil {
		return stillServed(err)
	}
	v := verdict{OK: rep.Problem == "", Report: rep, Compared: c.compared(), KeyHash: keyHash(rep.VerifyKey)}
	if c.Key != "" && v.OK && !rep.Lineage.Has(key) {
		v.OK, v.FirstBad, v.Problem = false, 1, "foreign signature: signed by another key than the one given"
	}
	if err := c.print(out, v); err != nil {
		return err
	}
	if !v.OK {
		return fmt.Errorf("the vault does not verify: %w; %s", &chain.Bad{Seq: v.FirstBad, Problem: v.Problem}, v.next())
	}
	return nil
}

// next says what to do about a vault that does not verify. What was found is told in words
// alone, and those of each comparison have a word that no other has.
func (v verdict) next() string {
	says := func(words string) bool { return strings.Contains(v.Problem, words) }
	switch {
	case says("--reindex"):
		return "then look who wrote the file"
	case says("than the one given"):
		return "look whether the key is this vault's: assd init, ass login and ass audit rotate-key print it"
	case says("checkpoint is of another vault"), says("the checkpoint is signed by"):
		return "look whether the checkpoint is this vault's, as ass audit checkpoint printed it"
	case says("the checkpoint"):
		return "if an older copy was put back on purpose, take a new checkpoint: ass audit checkpoint --forget; else look for the newer data file, and who took it away"
	case says("head file"), says("not the newest"):
		return "if an older copy was put back on purpose: assd verify --accept-rollback; else look for the newer data file, and who took it away"
	}
	return "keep this file, look who wrote it, and put back the last copy that verifies: data file, key file and head together"
}

// known is the checkpoints given, if there are any.
func (c *verifyCmd) known() ([]chain.Checkpoint, error) {
	if c.Checkpoint == "" {
		return nil, nil
	}
	in := io.ReadCloser(os.Stdin)
	if c.Checkpoint != "-" {
		var err error
		if in, err = os.Open(c.Checkpoint); err != nil {
			return nil, unnamed("the file of --checkpoint", c.Checkpoint, fmt.Errorf("--checkpoint: %w; name a file that ass audit checkpoint has printed, or - for stdin", err))
		}
		defer in.Close()
	}
	all, err := chain.ReadCheckpoints(in)
	if err != nil && !errors.Is(err, chain.ErrGarbled) {
		return nil, fmt.Errorf("--checkpoint: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("--checkpoint: %w; give it whole, as ass audit checkpoint printed it", err)
	}
	return all, nil
}

// compared says with what the vault was compared.
func (c *verifyCmd) compared() string {
	switch {
	case c.Key != "" && c.Checkpoint != "":
		return "key, checkpoint"
	case c.Key != "":
		return "key"
	case c.Checkpoint != "":
		return "checkpoint"
	}
	return "nothing"
}

func (c *verifyCmd) print(out output, v verdict) error {
	if c.JSON {
		return json.NewEncoder(out.stdout).Encode(v)
	}
	if !v.OK {
		return nil
	}
	how := map[string]string{
		"nothing":         "consistent with itself, key " + v.KeyHash + ", compared with nothing (--key K or --checkpoint FILE compares)",
		"key":             "signed by the key given",
		"checkpoint":      "goes on from the checkpoint given",
		"key, checkpoint": "signed by the key given, goes on from the checkpoint given",
	}[v.Compared]
	_, err := fmt.Fprintf(out.stdout, "✓ %d events, %d signed heads, %d records verify: %s\n  verification key: %s\n  head %d %s\n  head file: %s\n",
		v.Events, v.Heads, v.Records, how, v.VerifyKey, v.Head.Seq, v.Head.Hash, v.headFile())
	return err
}

// headFile says how the head file stands to the vault.
func (v verdict) headFile() string {
	switch {
	case v.RestorePending && v.RestoreInto == v.Tenant:
		return "none yet: this is a vault just made of a backup, and the next start of assd goes on with it"
	case v.RestorePending && v.RestoreInto != "":
		return "none: this is a backup that is to be another vault, and nobody has opened it yet (the next start of assd makes it " + v.RestoreInto + ")"
	case v.RestorePending:
		return "not compared: this is a backup that assd restore has put in place, and nobody has opened it yet (the next start of assd does)"
	case !v.HeadFile:
		return "none beside the key file (--key-file says where that is)"
	}
	return "agrees"
}

// keyHash is the hash of a verification key, or "" where there is none.
func keyHash(key string) string {
	k, err := chain.ParseKey(key)
	if err != nil {
		return ""
	}
	return k.Sum()
}
