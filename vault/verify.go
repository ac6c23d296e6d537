package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/audit/chain"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/envelope"
)

// Verify checks the vault in cfg.Dir from its files alone: every page, the chain, every
// signature, every record against the chain, every value against its record, and
// the head kept beside the key file if there is one; the trail has to go on from each
// known checkpoint. It needs no key, writes nothing and starts nothing.
func Verify(ctx context.Context, cfg Config, known ...chain.Checkpoint) (rep Report, err error) {
	cfg.fill()
	db, err := store.Open(store.Config{Path: cfg.dbFile(), ReadOnly: true, MustExist: true, CheckPages: true})
	if err != nil {
		return rep, err
	}
	defer db.Close()
	if rep.Report, err = verifyAll(ctx, db); err != nil || rep.Problem != "" {
		return rep, err
	}
	for _, c := range known {
		if err := rep.compare(db, c); err != nil || rep.Problem != "" {
			return rep, err
		}
	}
	if err := rep.lookForRestore(cfg, db); err != nil || rep.RestorePending {
		return rep, err
	}
	kept, err := audit.ReadHeadFile(cfg.headFile(), rep.Tenant, rep.Lineage)
	rep.HeadFile = !errors.Is(err, audit.ErrNoHead)
	if !rep.HeadFile && (rep.Heads < 2 || !cfg.keyKept()) {
		return rep, nil // a copy of the data file alone, or a vault just born
	}
	if err == nil {
		err = db.View(func(s *store.Snapshot) error { return audit.Extends(s, kept) })
	}
	if err != nil {
		rep.FirstBad, rep.Problem = rep.Head.Seq, err.Error()
	}
	return rep, nil
}

// Reindex removes the indexes of the trail in cfg.Dir, which a daemon then makes anew. It
// needs no key: the events alone say what is in an index.
func Reindex(ctx context.Context, cfg Config) error {
	cfg.fill()
	db, err := store.Open(store.Config{Path: cfg.dbFile(), MustExist: true})
	if err != nil {
		return err
	}
	return errors.Join(audit.DropIndexes(ctx, db), db.Close())
}

// Report is what Verify found.
type Report struct {
	audit.Report
	HeadFile bool `json:"head_file"` // there is a head file, and the trail holds its head
	// RestorePending says that the data file is a backup that assd restore has put in
	// place and nobody has opened yet; a head file is of what it took the place of.
	RestorePending bool `json:"restore_pending"`
	// RestoreInto is the other vault that the next start makes of it, after assd restore
	// --as-new, or has made, where it is the tenant; "": it stays the one it is.
	RestoreInto string `json:"restore_into,omitempty"`
}

// lookForRestore says whether a restore waits for the vault to be opened.
func (rep *Report) lookForRestore(cfg Config, db *store.DB) error {
	note, err := readRestoreNote(cfg)
	if err != nil || note == nil {
		return err
	}
	return db.View(func(s *store.Snapshot) error {
		pending, done, err := note.stands(s, rep.Tenant, rep.Head)
		if rep.RestorePending = pending || done; rep.RestorePending {
			rep.RestoreInto = note.Into
		}
		return err
	})
}

// compare holds a trail that verifies against a checkpoint. What is wrong with the
// checkpoint itself is no event's.
func (rep *Report) compare(db *store.DB, c chain.Checkpoint) error {
	return db.View(func(s *store.Snapshot) (err error) {
		var at audit.Hash
		if c.Seq <= rep.Head.Seq {
			at, err = audit.HashAt(s, c.Seq)
		}
		if bad := c.Against(rep.Tenant, rep.Lineage, rep.Head.Seq, at); err == nil && bad != nil {
			rep.FirstBad, rep.Problem = bad.Seq, bad.Problem
		}
		return err
	})
}

// verifyAll is audit.Verify and, beyond it, that each version a header lists is
// there and is the one it lists; no more than that: a value that no header lists is never served.
func verifyAll(ctx context.Context, db *store.DB) (audit.Report, error) {
	defer releaseMemory(db)
	rep, err := audit.Verify(ctx, db)
	if err != nil || rep.Problem != "" {
		return rep, err
	}
	problem, seq, err := checkValues(ctx, db)
	if problem != "" {
		rep.Problem, rep.FirstBad = problem, seq
	}
	return rep, err
}

// checkValues compares headers and values a header at a time: each header with
// its values in one snapshot, so that a writer beside it does no harm.
func checkValues(ctx context.Context, db *store.DB) (problem string, seq uint64, err error) {
	err = db.Chunks(store.Secrets, nil, 1000, func(k, _ []byte) (bool, error) {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		err := db.View(func(s *store.Snapshot) error {
			problem, seq = checkHeader(s, string(k))
			return nil
		})
		return err == nil && problem == "", err
	})
	return problem, seq, err
}

func checkHeader(s *store.Snapshot, path string) (problem string, seq uint64) {
	rec, ok := audit.ParseRecord(s.Get(store.Secrets, []byte(path)))
	var h header
	if !ok || json.Unmarshal(rec.Content, &h) != nil {
		return fmt.Sprintf("record secrets/%s: malformed", path), rec.Seq
	}
	for _, ver := range h.Versions {
		digest, err := envelope.Digest(s.Get(store.Values, valueKey(h.ID, ver.N)))
		if err != nil || digest != ver.Digest {
			return fmt.Sprintf("value of %s version %d: changed, moved or missing", path, ver.N), rec.Seq
		}
	}
	return "", 0
}
