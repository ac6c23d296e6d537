package assrc

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/agent-secret-store/assd/internal/durable"
	"github.com/agent-secret-store/assd/internal/shell"
)

// ExposedError says that others than the owner can read or write the file.
type ExposedError struct{ Path string }

func (e *ExposedError) Error() string {
	return fmt.Sprintf("%s holds a key and others can read it", e.Path)
}

// Hint says what to type next.
func (e *ExposedError) Hint() string { return "chmod 600 " + shell.Quote(e.Path) }

// Load reads the file at path; one that does not exist is empty. A file that
// others can read is an *[ExposedError].
func Load(path string) (*File, error) {
	r, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &File{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("opening ~/.assrc: %w", err)
	}
	defer r.Close()
	if err := checkOwner(r, path); err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(r, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("reading ~/.assrc: %w", err)
	}
	return Parse(b)
}

// behind is where a symbolic link at path leads, else path: what is replaced,
// removed or kept is the file, and the link stays.
func behind(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}

// Save replaces the file at path, or removes it when nothing is left in f. A
// symbolic link there is kept.
func Save(path string, f *File) error {
	if f.Empty() {
		if err := os.Remove(behind(path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing ~/.assrc: %w", err)
		}
		return nil
	}
	d, err := Begin(path)
	if err != nil {
		return err
	}
	if err := d.Fill(f); err != nil {
		d.Discard()
		return err
	}
	return d.Commit()
}

// Draft is a file beside ~/.assrc that will take its place. It exists, with
// room on the disk, before the key that it will hold: who claims a vault is
// told the owner key once, and that must not be lost to a full disk.
type Draft struct {
	target string
	f      *os.File
}

// Begin makes a draft for the file at path. A symbolic link there is kept and
// its target replaced.
func Begin(path string) (*Draft, error) {
	path = behind(path)
	f, err := os.CreateTemp(filepath.Dir(path), ".assrc-*") // mode 0600
	if err != nil {
		return nil, fmt.Errorf("making a new ~/.assrc: %w", err)
	}
	d := &Draft{target: path, f: f}
	if err := d.write(room()); err != nil {
		d.Discard()
		return nil, err
	}
	return d, nil
}

// room is a comment as long as a file with a new login may become.
func room() []byte {
	b := make([]byte, 4<<10)
	for i := range b {
		b[i] = '#'
	}
	return b
}

// write puts b at the start of the draft, durably.
func (d *Draft) write(b []byte) error {
	if _, err := d.f.WriteAt(b, 0); err != nil {
		return fmt.Errorf("writing a new ~/.assrc: %w", err)
	}
	if err := d.f.Sync(); err != nil {
		return fmt.Errorf("writing a new ~/.assrc: %w", err)
	}
	return nil
}

// Name is where the draft lies until it is committed.
func (d *Draft) Name() string { return d.f.Name() }

// Fill writes f into the draft, durably.
func (d *Draft) Fill(f *File) error {
	text := []byte(f.String())
	if err := d.write(text); err != nil {
		return err
	}
	if err := errors.Join(d.f.Truncate(int64(len(text))), d.f.Sync()); err != nil {
		return fmt.Errorf("writing a new ~/.assrc: %w", err)
	}
	return nil
}

// Commit puts the draft in place of ~/.assrc, durably. When it fails, what
// [Draft.Fill] wrote stands in [Draft.Name].
func (d *Draft) Commit() error {
	if err := d.f.Close(); err != nil {
		return fmt.Errorf("closing a new ~/.assrc: %w", err)
	}
	if err := os.Rename(d.f.Name(), d.target); err != nil {
		return fmt.Errorf("replacing ~/.assrc: %w", err)
	}
	if err := durable.SyncDir(filepath.Dir(d.target)); err != nil {
		return fmt.Errorf("syncing the home directory: %w", err)
	}
	return nil
}

// Discard removes the draft; after a commit that succeeded it must not be
// called.
func (d *Draft) Discard() {
	d.f.Close()
	os.Remove(d.f.Name())
}

// KeepAside links the file at path to path.old, or path.old.2 and so on, so
// that replacing or removing it loses nothing. Behind a symbolic link that is
// beside the file, not the link. It returns the name.
func KeepAside(path string) (string, error) {
	path = behind(path)
	for n := 1; n < 100; n++ {
		name := path + ".old"
		if n > 1 {
			name = fmt.Sprintf("%s.%d", name, n)
		}
		err := os.Link(path, name)
		if err == nil {
			return name, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return "", fmt.Errorf("keeping the old ~/.assrc: %w", err)
		}
	}
	return "", errors.New("there are too many old copies of ~/.assrc")
}
