package vault

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/internal/durable"
	"github.com/agent-secret-store/assd/internal/shell"
	"github.com/agent-secret-store/assd/store"
)

// Restored is what Restore has put in place. The vault is another one only once it is
// opened: see [Config] and restoreNote.
type Restored struct {
	Tenant    string      `json:"tenant"`     // of the backup
	NewTenant string      `json:"new_tenant"` // that the next start makes of it; "": it stays the one it is
	Events    uint64      `json:"events"`
	Head      audit.Head  `json:"head"`  // of the backup
	Slots     []string    `json:"slots"` // what opens it, each kind once: "file", "passphrase"
	Relation  Relation    `json:"relation"`
	Aside     string      `json:"aside"`      // where the data file is kept that was there; "": there was none
	Replaced  *Replaced   `json:"replaced"`   // null: nothing was there
	Returned  []Returning `json:"returned"`   // agents and owners that come back, and nobody knows whether they were revoked meanwhile
	Revoked   []Returning `json:"revoked"`    // those that stay revoked, as they are in what was replaced
	SlotsBack []SlotBack  `json:"slots_back"` // slots that open the vault again, and did not open what was replaced
	Exposed   bool        `json:"exposed"`    // others can read the backup
}

// Replaced is the data that was there before.
type Replaced struct {
	Head    audit.Head `json:"head"`    // the newest known
	Problem string     `json:"problem"` // why it could not be read whole; "": it could
}

// SlotBack is a slot that comes back with a backup.
type SlotBack struct {
	ID   string `json:"id"`
	Kind string `json:"kind"`
}

// Command is what removes it again.
func (s SlotBack) Command() string { return "ass vault slots remove " + shell.Quote(s.ID) }

// Returning is an agent or an owner of a backup.
type Returning struct {
	Kind string `json:"kind"` // "owner", "agent"
	Name string `json:"name"`
	id   string
}

// Command is what revokes it.
func (r Returning) Command() string {
	if kind(r.Kind) == kindOwner {
		return "ass agents revoke --owner " + shell.Quote(r.Name)
	}
	return "ass agents revoke " + shell.Quote(r.Name)
}

// What a restore leaves in the data dir, or a killed copy.
const (
	restoreTemp  = "vault.db.restore-"
	backupTemp   = "vault.db.backup-"
	replacedName = "vault.db.replaced-"
)

// Restore puts the backup at file in the place of the data file in cfg.Dir. It opens no
// slot and runs nothing. The backup is copied and checked as Verify checks before
// anything is changed; what was there is kept beside it. Whoever opens the vault next
// finds a note, and turns it into vault.restore, the first event of a new epoch.
//
// Killed before the copy is in place, the old vault is as it was; after that, the next
// start goes on. Errors: [store.ErrLocked] while a daemon has the vault, a
// *[BackupError] that says what is wrong with the backup.
func Restore(ctx context.Context, cfg Config, file string) (Restored, error) {
	return restore(ctx, cfg, file, "")
}

func restore(ctx context.Context, cfg Config, file, into string) (out Restored, err error) {
	cfg.fill()
	made := missingDirs(cfg.Dir)
	if _, err := makeDir(cfg.Dir); err != nil {
		return out, errors.Join(err, removeEmpty(made))
	}
	leave, err := store.HoldDir(cfg.Dir) // of two at once, one would remove the other's note
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, leave()) }()
	defer func() {
		if err != nil { // and nobody else is at work there
			err = errors.Join(err, removeEmpty(made))
		}
	}()
	release, err := store.Hold(cfg.dbFile())
	missing := errors.Is(err, store.ErrMissing)
	if err != nil && !missing {
		return out, err
	}
	if !missing {
		defer func() { err = errors.Join(err, release()) }()
	}
	if into != "" && !missing {
		return out, dataThere(cfg)
	}
	r := restoring{cfg: cfg, missing: missing, into: into}
	if out.Exposed, err = r.copy(file); err != nil {
		return out, err
	}
	if err = r.prepare(ctx, &out); err == nil {
		err = r.place(&out)
	}
	if err != nil {
		err = errors.Join(err, r.discard())
	}
	return out, err
}

// missingDirs are dir and the folders above it that are not there, the lowest first.
func missingDirs(dir string) (all []string) {
	for dir = filepath.Clean(dir); ; dir = filepath.Dir(dir) {
		if _, err := os.Lstat(dir); !errors.Is(err, os.ErrNotExist) {
			return all
		}
		all = append(all, dir)
	}
}

// removeEmpty removes those of the folders that are there and empty. One that is not has
// something in it that is not ours to remove.
func removeEmpty(dirs []string) error {
	for _, dir := range dirs {
		err := os.Remove(dir)
		switch {
		case errors.Is(err, syscall.ENOTEMPTY), errors.Is(err, syscall.EROFS): // which says so of one that was never made
			return nil
		case err != nil && !errors.Is(err, os.ErrNotExist):
			return fmt.Errorf("removing a folder that was made: %w", err)
		}
	}
	return nil
}

// BackupError says why a file cannot be restored. Nothing was changed.
type BackupError struct {
	File string
	Err  error
}

func (e *BackupError) Error() string {
	return fmt.Sprintf("nothing was changed: the backup %q cannot be restored: %v", e.File, e.Err)
}

func (e *BackupError) Unwrap() error { return e.Err }

// restoring is a restore under way.
type restoring struct {
	cfg     Config
	missing bool       // there is no data file
	temp    string     // the copy of the backup; "": it is in place, or gone
	file    string     // the backup
	old     string     // the file that counts as replaced
	kept    audit.Head // by the head file
	newest  audit.Head // of the data file that is there
	note    restoreNote
	into    string // the tenant that is to be made of it; "": none
}

// copy copies the backup beside the data file, and reports whether others can read it.
func (r *restoring) copy(file string) (exposed bool, err error) {
	r.file = file
	from, err := os.OpenFile(filepath.Clean(file), os.O_RDONLY|syscall.O_NONBLOCK, 0) // who waits for a pipe waits for ever
	if err != nil {
		return false, r.refuse(err)
	}
	defer from.Close()
	info, err := from.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is not a regular file")
	}
	if at, gone := os.Stat(r.cfg.dbFile()); err == nil && gone == nil && os.SameFile(info, at) {
		err = errors.New("it is this vault's own data file")
	}
	if err != nil {
		return false, r.refuse(err)
	}
	if err := removeLeftovers(r.cfg); err != nil {
		return false, err
	}
	to, err := os.OpenFile(filepath.Join(r.cfg.Dir, restoreTemp+rand.Text()), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return false, fmt.Errorf("nothing was changed: copying the backup: %w", err)
	}
	r.temp = to.Name()
	_, err = io.Copy(to, from)
	if err = errors.Join(err, to.Sync(), to.Close()); err != nil {
		return false, errors.Join(fmt.Errorf("nothing was changed: copying the backup: %w", err), r.discard())
	}
	return info.Mode().Perm()&0o077 != 0, nil
}

func (r *restoring) refuse(err error) error {
	if pathErr, ok := errors.AsType[*os.PathError](err); ok {
		err = pathErr.Err
	}
	return &BackupError{r.file, err}
}

func (r *restoring) discard() error {
	if r.temp == "" {
		return nil
	}
	return os.Remove(r.temp)
}

// prepare checks the backup, and looks at what it is to take the place of.
func (r *restoring) prepare(ctx context.Context, out *Restored) error {
	rep, here, err := inspect(ctx, r.temp)
	if err != nil {
		if inner := errors.Unwrap(err); inner != nil {
			err = inner // without the name of the copy
		}
		return r.refuse(err)
	}
	if rep.Problem != "" {
		return r.refuse(fmt.Errorf("it does not verify: event %d: %s", rep.FirstBad, rep.Problem))
	}
	r.note = restoreNote{Format: restoreNoteFormat, Tenant: rep.Tenant, At: r.cfg.Now().UTC().Truncate(time.Millisecond), Backup: rep.Head, Relation: RelationNone, Into: r.into}
	if err := r.mayBecomeAnother(here); err != nil {
		return err
	}
	there, err := r.look(ctx)
	if err != nil {
		return err
	}
	out.Tenant, out.NewTenant, out.Events, out.Head, out.Slots, out.Relation = rep.Tenant, r.into, rep.Events, rep.Head, here.slots, r.note.Relation
	out.Returned, out.Revoked, out.SlotsBack = []Returning{}, []Returning{}, []SlotBack{}
	for _, slot := range here.all {
		if r.note.Replaced.whole() && r.note.Relation != RelationOlder && !slices.Contains(there.all, slot) {
			out.SlotsBack = append(out.SlotsBack, slot)
		}
	}
	for _, who := range here.living {
		switch {
		case !r.note.Replaced.whole():
			out.Returned = append(out.Returned, who)
		case slices.Contains(there.revoked, who.id):
			out.Revoked = append(out.Revoked, who)
		}
	}
	return nil
}

// look finds out what is there, and how it stands to the backup.
func (r *restoring) look(ctx context.Context) (there contents, err error) {
	tenant, head, err := audit.PeekHeadFile(r.cfg.headFile())
	if errors.Is(err, audit.ErrNoHead) && r.missing {
		return there, nil
	}
	r.kept = head.Head
	r.note.Replaced, r.note.Relation = &replacedNote{Head: r.kept}, RelationUnknown
	if !r.missing {
		var found string
		if there, found, err = r.lookAt(ctx, r.cfg.dbFile()); err == nil {
			there, found, err = r.lookThrough(ctx, there, found)
		}
		if err != nil {
			return there, err
		}
		if found != "" {
			tenant = found
		}
	}
	if tenant != "" && tenant != r.note.Tenant {
		return there, r.refuse(fmt.Errorf("it is of another vault (%s) than the one in %q (%s): name another folder with --data-dir", r.note.Tenant, r.cfg.Dir, tenant))
	}
	return there, r.relate()
}

// lookAt takes the data file at path for what is replaced, and says what is in it and of
// which vault it is, "" where that cannot be read.
func (r *restoring) lookAt(ctx context.Context, path string) (there contents, tenant string, err error) {
	old := r.note.Replaced
	r.old, old.File = path, filepath.Base(path)
	rep, there, err := inspect(ctx, path)
	switch {
	case ctx.Err() != nil:
		return there, "", ctx.Err()
	case errors.Is(err, store.ErrNewer), errors.Is(err, store.ErrLocked):
		return there, "", err
	case err != nil:
		old.Problem = plainly(err)
		return there, there.tenant, nil
	case rep.Problem != "":
		old.Problem = fmt.Sprintf("event %d: %s", rep.FirstBad, rep.Problem)
		return there, there.tenant, nil
	case old.Head.Seq > rep.Head.Seq:
		old.Problem = fmt.Sprintf("it ends at event %d, and its head file says that there were %d", rep.Head.Seq, old.Head.Seq)
	default:
		old.Head = rep.Head
	}
	r.newest = rep.Head
	return there, rep.Tenant, nil
}

// lookThrough goes on to the data that an earlier restore has replaced, if nobody has
// opened the vault since: what was revoked there is to stay revoked.
func (r *restoring) lookThrough(ctx context.Context, there contents, tenant string) (contents, string, error) {
	prior, err := readRestoreNote(r.cfg)
	if err != nil || prior == nil || prior.Backup != r.newest || prior.Tenant != r.note.Tenant {
		return there, tenant, nil // one that is malformed is written anew
	}
	if prior.Replaced == nil {
		r.note.Replaced, r.note.Relation = nil, RelationNone
		return contents{}, tenant, nil
	}
	if prior.Replaced.File == "" {
		r.note.Replaced = prior.Replaced
		return contents{}, tenant, nil
	}
	r.note.Replaced = &replacedNote{Head: r.kept}
	return r.lookAt(ctx, filepath.Join(r.cfg.Dir, prior.Replaced.File))
}

// plainly is err in one line.
func plainly(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// relate says how the replaced data stands to the backup.
func (r *restoring) relate() error {
	old := r.note.Replaced
	if old == nil || old.Head.Seq == 0 {
		return nil
	}
	file, shorter, longer := r.temp, old.Head, RelationOlder
	if old.Head.Seq > r.note.Backup.Seq {
		if !old.whole() {
			return nil
		}
		file, shorter, longer = r.old, r.note.Backup, RelationNewer
	}
	db, err := openCopy(file, false)
	if err != nil {
		return err
	}
	defer db.Close()
	return db.View(func(s *store.Snapshot) error {
		at, err := audit.HashAt(s, shorter.Seq)
		if r.note.Relation = longer; err != nil || at != shorter.Hash {
			r.note.Relation = RelationFork
		}
		return nil
	})
}

// place exchanges the files. What is there goes on being there until the backup is, by
// one rename.
func (r *restoring) place(out *Restored) error {
	aside := ""
	if !r.missing {
		aside = freeName(r.cfg.Dir, replacedName+r.note.At.Format("20060102T150405Z"))
		out.Aside = filepath.Join(r.cfg.Dir, aside)
	}
	if old := r.note.Replaced; old != nil {
		if r.old == r.cfg.dbFile() {
			old.File = aside
		}
		out.Replaced = &Replaced{old.Head, old.Problem}
	}
	if err := r.note.write(r.cfg); err != nil {
		return fmt.Errorf("nothing was changed: writing the note of the restore beside the head file: %w", err)
	}
	if err := r.exchange(aside); err != nil {
		return errors.Join(fmt.Errorf("nothing was changed: putting the backup in place: %w", err), r.note.remove(r.cfg))
	}
	r.temp = ""
	return durable.SyncDir(r.cfg.Dir)
}

func (r *restoring) exchange(aside string) error {
	if r.missing {
		if err := link(r.temp, r.cfg.dbFile()); err != nil { // never over what came meanwhile
			return err
		}
		os.Remove(r.temp) //nolint:errcheck // the next start does it
		return nil
	}
	kept := filepath.Join(r.cfg.Dir, aside)
	if err := link(r.cfg.dbFile(), kept); err != nil {
		return err
	}
	err := os.Rename(r.temp, r.cfg.dbFile())
	if _, gone := os.Lstat(r.temp); err == nil || errors.Is(gone, os.ErrNotExist) {
		return nil // it may say that it failed and have happened: then kept is the old data's one name
	}
	return errors.Join(err, os.Remove(kept))
}

// link is [os.Link], but one that says that it failed and has happened is none that failed.
func link(from, to string) error {
	err := os.Link(from, to)
	if err == nil {
		return nil
	}
	one, oneErr := os.Lstat(from)
	two, twoErr := os.Lstat(to)
	if oneErr == nil && twoErr == nil && os.SameFile(one, two) {
		return nil
	}
	return err
}

// freeName is name, or name and a number where that is taken.
func freeName(dir, name string) string {
	for n := 2; ; n++ {
		free := name
		if n > 2 {
			free = fmt.Sprintf("%s-%d", name, n-1)
		}
		if _, err := os.Lstat(filepath.Join(dir, free)); err != nil {
			return free
		}
	}
}

// leftover are the names of copies that are not whole yet, or in use. A person's own,
// such as vault.db.backup-monday, is none.
var leftover = regexp.MustCompile(`^vault\.db\.((restore|backup)-[A-Z2-7]{26}(\.assd-part|\.new-[0-9]+)?|compact)$`)

// leftoverNote are the names of notes of a restore that are not whole, as writeWhole has
// os.CreateTemp give them.
var leftoverNote = regexp.MustCompile(`^restore\.new-[0-9]{1,10}$`)

// removeLeftovers removes what was being made when somebody was killed: copies, and notes
// of a restore. The caller holds the data file, or there is none.
func removeLeftovers(cfg Config) error {
	err := errors.Join(removeNamed(cfg.Dir, leftover), removeNamed(filepath.Dir(cfg.restoreNote()), leftoverNote))
	if err != nil {
		return fmt.Errorf("removing what a copy has left: %w", err)
	}
	return nil
}

// removeNamed removes the files in dir that have such names.
func removeNamed(dir string, names *regexp.Regexp) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if e.Type().IsRegular() && names.MatchString(e.Name()) {
			err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return err
}
