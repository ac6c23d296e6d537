package vault

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/audit/chain"
	"github.com/agent-secret-store/assd/internal/durable"
)

// restoreNote is what Restore leaves for whoever opens the vault next: that the data
// file is a backup, put there on purpose. It lies beside the head file, so that who can
// write nothing but the data dir cannot have an older copy accepted.
type restoreNote struct {
	Format   int           `json:"format"`
	Tenant   string        `json:"tenant"`
	At       time.Time     `json:"at"`
	Backup   audit.Head    `json:"backup"`             // the newest of the backup
	Replaced *replacedNote `json:"replaced,omitempty"` // nil: nothing was there
	Relation Relation      `json:"relation"`
	Into     string        `json:"into,omitempty"` // the tenant that is to be made of it; "": it stays the one it is
}

// replacedNote is what is known of the data that the backup took the place of.
type replacedNote struct {
	File    string     `json:"file,omitempty"`    // its name in the data dir; "": the head file alone was there
	Head    audit.Head `json:"head,omitzero"`     // the newest known
	Problem string     `json:"problem,omitempty"` // why it does not verify; "": it does
}

// whole reports whether the replaced data could be read, all of it.
func (r *replacedNote) whole() bool { return r != nil && r.File != "" && r.Problem == "" }

// named reports whether the name can be one that Restore has given: what has it is read,
// and may be removed.
func (r *replacedNote) named() bool {
	return r == nil || r.File == "" || strings.HasPrefix(r.File, replacedName) && filepath.Base(r.File) == r.File
}

// Relation is how the data that was replaced stands to the backup.
type Relation string

// The relations.
const (
	RelationNone    Relation = "none"    // nothing was there
	RelationNewer   Relation = "newer"   // it goes on from the backup
	RelationOlder   Relation = "older"   // the backup goes on from it, or is the same
	RelationFork    Relation = "fork"    // they part somewhere
	RelationUnknown Relation = "unknown" // it could not be read
)

const (
	restoreNoteFormat = 1
	maxRestoreNote    = 64 << 10 // bytes
)

func (c Config) restoreNote() string { return filepath.Join(filepath.Dir(c.keyFile()), "restore") }

// readRestoreNote is the note of a restore that nobody has opened yet; nil: there is none.
func readRestoreNote(cfg Config) (*restoreNote, error) {
	f, err := os.OpenFile(cfg.restoreNote(), os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe does not hold up a start
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the note of a restore: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxRestoreNote+1))
	if err != nil {
		return nil, fmt.Errorf("reading the note of a restore: %w", err)
	}
	note := &restoreNote{}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(note); err != nil || note.Format != restoreNoteFormat || len(b) > maxRestoreNote || note.Backup.Seq == 0 ||
		!note.Replaced.named() || note.Into != "" && (!chain.IsTenant(note.Into) || note.Into == note.Tenant || note.Replaced != nil) {
		return nil, fmt.Errorf("the note of a restore, %q, is malformed: restore again with assd restore, or remove it", cfg.restoreNote())
	}
	return note, nil
}

// write makes the note durable, whole or not at all.
func (n *restoreNote) write(cfg Config) error {
	b, err := json.Marshal(n)
	if err != nil {
		return err
	}
	return writeWhole(cfg.restoreNote(), append(b, '\n'))
}

// remove removes the note, durably.
func (n *restoreNote) remove(cfg Config) error {
	if err := os.Remove(cfg.restoreNote()); err != nil {
		return fmt.Errorf("removing the note of a restore: %w", err)
	}
	return durable.SyncDir(filepath.Dir(cfg.restoreNote()))
}

// writeWhole puts a file of ours at path, durably: all of b, or what was there.
func writeWhole(path string, b []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(path))
}
