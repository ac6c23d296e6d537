package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/agent-secret-store/assd/audit/chain"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/client"
)

type auditVerifyCmd struct {
	Checkpoint string `placeholder:"FILE" help:"A checkpoint kept earlier, or - for stdin: the trail must go on from it."`
	Key        string `placeholder:"ed25519:KEY" help:"The verification key that init, login or rotate-key printed, instead of the one kept at login."`
}

// Help shows examples.
func (auditVerifyCmd) Help() string {
	return `Fetches the whole trail and checks it here: each event, the chain over them and each
signature. It must go on from the highest checkpoint that was seen from here, and be
signed by the key that was kept at login, or one that this has signed for. Then the
daemon checks what only it can see: records, values and indexes.

It exits 1 and names the first bad event when something is off. Without a key or a
checkpoint, a trail that somebody made anew with another key would be consistent too.

Examples:

  ass audit verify
  ass audit verify --checkpoint checkpoint.txt
  ass audit verify --key ed25519:... --json`
}

// trailVerdict is what verify prints as JSON.
type trailVerdict struct {
	OK         bool            `json:"ok"`
	Tenant     string          `json:"tenant"`
	Events     uint64          `json:"events"`
	Heads      uint64          `json:"heads"`
	Head       chain.Head      `json:"head"`
	VerifyKey  string          `json:"verify_key"`
	KeyHash    string          `json:"key_sha256"`
	ComparedTo string          `json:"compared_key,omitempty"` // the key given, or kept at login
	Compared   string          `json:"compared"`               // "key", "checkpoint", "key, checkpoint", or "nothing"
	Remembered uint64          `json:"remembered,omitempty"`   // events of the checkpoint that was seen from here before
	FirstBad   uint64          `json:"first_bad,omitempty"`
	Problem    string          `json:"problem,omitempty"`
	Daemon     *api.TrailCheck `json:"daemon,omitempty"` // what it says itself
	whose      string          // how we came to the key
}

// Run checks the trail here, then has the daemon check the rest.
func (c *auditVerifyCmd) Run(a *app) error {
	given, key, err := c.given()
	if err != nil {
		return err
	}
	t, err := a.target()
	if err != nil {
		return err
	}
	if t.key == "" {
		return a.noKey()
	}
	whose := "given"
	if key == nil {
		whose = "kept at login"
		if key, err = t.trustedKey(); err != nil {
			return err
		}
	}
	cl, err := a.dial(t, t.key)
	if err != nil {
		return err
	}
	v, err := a.verifyTrail(cl, given, key)
	if err != nil {
		return err
	}
	v.whose = whose
	checked, refused := cl.VerifyTrail(a.ctx)
	if refused == nil {
		v.Daemon = checked
	}
	if err := v.tell(a); err != nil {
		return err
	}
	return refused
}

// trustedKey is the verification key that was kept at login, or nil.
func (t *target) trustedKey() (chain.Key, error) {
	if t.verifyKey == "" {
		return nil, nil
	}
	key, err := chain.ParseKey(t.verifyKey)
	if err != nil {
		return nil, &fault{code: codeFailed, message: "the verification key in ~/.assrc is malformed", hint: "ass login"}
	}
	return key, nil
}

// given is the checkpoint and the key of the command line.
func (c *auditVerifyCmd) given() (notes []chain.Checkpoint, key chain.Key, err error) {
	if c.Key != "" {
		if key, err = chain.ParseKey(c.Key); err != nil {
			return nil, nil, usage("--key: "+err.Error(), "give it as ass login printed it")
		}
	}
	if c.Checkpoint == "" {
		return nil, key, nil
	}
	notes, err = readCheckpoints(c.Checkpoint)
	if err != nil && !errors.Is(err, chain.ErrGarbled) {
		return nil, nil, fileFault(codeUsage, "the file of --checkpoint", "read", err, "name a file that ass audit checkpoint has printed, or - for stdin")
	}
	if err != nil {
		return nil, nil, usage("--checkpoint: "+err.Error(), "give it whole, as ass audit checkpoint printed it")
	}
	return notes, key, nil
}

// readCheckpoints reads a note, or what counts of a file that [[checkpoint]] appends to.
func readCheckpoints(name string) ([]chain.Checkpoint, error) {
	if name == "-" {
		return chain.ReadCheckpoints(os.Stdin)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return chain.ReadCheckpoints(f)
}

// verifyTrail walks the daemon's export, and holds it against what is known of it.
func (a *app) verifyTrail(cl *client.Client, given []chain.Checkpoint, key chain.Key) (*trailVerdict, error) {
	s, err := a.compareSeen(cl)
	if err != nil {
		return nil, err
	}
	export, err := cl.ExportAudit(a.ctx, client.ExportQuery{Format: api.AuditJSONL, Heads: true})
	if err != nil {
		return nil, err
	}
	defer export.Close()
	known := []*chain.Checkpoint{&s.note}
	if s.before != nil {
		known = append(known, s.before)
	}
	for i := range given {
		known = append(known, &given[i])
	}
	w, at := chain.NewWalker(), map[uint64]chain.Hash{}
	line := a.counter(s.note.Seq)
	err = chain.Export(export, w, func() error {
		line.at(w.Head.Seq)
		if slices.ContainsFunc(known, func(c *chain.Checkpoint) bool { return c.Seq == w.Head.Seq }) {
			at[w.Head.Seq] = w.Head.Hash
		}
		return nil
	})
	line.end()
	bad := w.Finish()
	if err != nil && bad == nil {
		return nil, err
	}
	v := verdictOf(w, given, key, bad)
	for _, c := range known {
		if v.OK {
			v.compare(c, w, at[c.Seq])
		}
	}
	if s.before != nil {
		v.Remembered = s.before.Seq
	}
	if v.OK {
		s.keep(a, cl)
	}
	return v, nil
}

func verdictOf(w *chain.Walker, given []chain.Checkpoint, key chain.Key, bad *chain.Bad) *trailVerdict {
	newest := w.Lineage.Newest().Key
	v := &trailVerdict{OK: true, Tenant: w.Tenant, Events: w.Head.Seq, Heads: w.Heads, Head: w.Head, Compared: "nothing"}
	if newest != nil {
		v.VerifyKey, v.KeyHash = newest.String(), newest.Sum()
	}
	var by []string
	if key != nil {
		v.ComparedTo = key.String()
		by = append(by, "key")
	}
	if given != nil {
		by = append(by, "checkpoint")
	}
	if len(by) > 0 {
		v.Compared = strings.Join(by, ", ")
	}
	switch {
	case bad != nil:
		v.fail(bad.Seq, bad.Problem)
	case key != nil && !w.Lineage.Has(key):
		v.fail(1, "foreign signature: signed by another key than the one given or kept at login, "+key.String())
	}
	return v
}

func (v *trailVerdict) fail(seq uint64, problem string) {
	v.OK, v.FirstBad, v.Problem = false, seq, problem
}

// compare holds the trail that was walked against a checkpoint.
func (v *trailVerdict) compare(c *chain.Checkpoint, w *chain.Walker, at chain.Hash) {
	if bad := c.Against(w.Tenant, w.Lineage, w.Head.Seq, at); bad != nil {
		v.fail(bad.Seq, bad.Problem)
	}
}

// tell prints both verdicts, and fails when one of them is bad.
func (v *trailVerdict) tell(a *app) error {
	fails := v.failure()
	switch {
	case a.JSON:
		if v.Daemon != nil && !v.Daemon.OK {
			v.OK = false
		}
		if err := a.json(v); err != nil {
			return err
		}
	case v.OK:
		if err := v.print(a); err != nil {
			return err
		}
	}
	return fails
}

func (v *trailVerdict) failure() error {
	switch {
	case !v.OK:
		return &fault{code: codeTampered, message: fmt.Sprintf("the trail does not verify: %v", &chain.Bad{Seq: v.FirstBad, Problem: v.Problem}), hint: offlineHint, whole: true}
	case v.Daemon != nil && !v.Daemon.OK:
		return &fault{code: codeTampered, message: fmt.Sprintf("the daemon's own check fails: %v", &chain.Bad{Seq: v.Daemon.FirstBad, Problem: v.Daemon.Problem}), hint: offlineHint, whole: true}
	}
	return nil
}

func (v *trailVerdict) print(a *app) error {
	if a.Quiet {
		return nil
	}
	how := "consistent with itself, key " + v.KeyHash + ", compared with nothing (--key K or --checkpoint FILE compares)"
	switch v.Compared {
	case "key":
		how = "signed by the key " + v.whose
	case "checkpoint":
		how = "goes on from the checkpoint given"
	case "key, checkpoint":
		how = "signed by the key " + v.whose + ", goes on from the checkpoint given"
	}
	text := fmt.Sprintf("%s %d events, %d signed heads verify: %s\n  verification key: %s\n  head %d %s\n", a.good("✓"), v.Events, v.Heads, how, v.VerifyKey, v.Head.Seq, v.Head.Hash)
	if v.ComparedTo != "" && v.ComparedTo != v.VerifyKey {
		text += "  key compared with, older: " + v.ComparedTo + "\n"
	}
	if v.Remembered > 0 {
		text += fmt.Sprintf("  seen from here before: %d events, a part of it\n", v.Remembered)
	}
	if v.Daemon != nil && v.Daemon.OK {
		text += fmt.Sprintf("%s the daemon's own check: %d events, %d records verify\n", a.good("✓"), v.Daemon.Events, v.Daemon.Records)
	}
	return a.answer(text)
}

// counter shows on a terminal how far a long check is.
type counter struct {
	progress
	all uint64
}

const countedEvents = 20_000 // fewer are done before anybody has read the line

func (a *app) counter(all uint64) *counter {
	return &counter{all: all, progress: progress{shown: !a.Quiet && !a.JSON && all >= countedEvents && isTerminal(os.Stderr)}}
}

func (c *counter) at(n uint64) {
	if c.shown && n%1024 == 0 && time.Since(c.last) >= redraw {
		c.draw(fmt.Sprintf("Checked %d of %d events ...", n, c.all))
	}
}
