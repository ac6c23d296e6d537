package seal

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/agent-secret-store/assd/internal/durable"
	"github.com/agent-secret-store/assd/internal/shell"
)

// A key file is one line, 55 bytes: "assd-key-1:", 32 bytes in base64url
// without padding, a newline.
const (
	keyFilePrefix = "assd-key-1:"
	keyFileSize   = len(keyFilePrefix) + 43 + 1
	keyFileMode   = 0o600
)

// Errors of key files; the message round them names the file and the way out.
var (
	ErrMissing   = errors.New("not found")
	ErrMalformed = errors.New("not a key file")
	ErrExposed   = errors.New("not private")
)

// FileKey is the key in a key file; it opens a file slot. It prints as
// [REDACTED].
type FileKey struct{ material }

// CreateKeyFile makes a random key and writes it to a new file, mode 0600, on
// disk (file and directory synced) when it returns. The file appears whole or
// not at all. An existing file is an error that wraps [fs.ErrExist] and is left
// alone.
func CreateKeyFile(path string) (*FileKey, error) {
	key := &FileKey{newMaterial()}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*") // mode 0600
	if err != nil {
		return nil, fmt.Errorf("creating key file %q: %w", path, cause(err))
	}
	err = writeKey(f, key)
	if err == nil {
		err = os.Link(f.Name(), path) // and not Rename, which would replace another's
	}
	err = errors.Join(cause(err), os.Remove(f.Name()), durable.SyncDir(filepath.Dir(path)))
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("creating key file %q: %w; a key file is never overwritten, move it away first", path, fs.ErrExist)
	}
	if err != nil {
		return nil, fmt.Errorf("creating key file %q: %w", path, err)
	}
	return key, nil
}

// writeKey writes, syncs and closes f.
func writeKey(f *os.File, key *FileKey) error {
	raw, err := key.bytes()
	if err != nil {
		return err
	}
	line := keyLine(raw)
	defer clear(line)
	_, err = f.Write(line)
	return errors.Join(err, f.Chmod(keyFileMode), f.Sync(), f.Close())
}

// keyLine is the content of the key file of a key.
func keyLine(key []byte) []byte {
	b := make([]byte, 0, keyFileSize)
	b = append(b, keyFilePrefix...)
	b = base64.RawURLEncoding.AppendEncode(b, key)
	return append(b, '\n')
}

// ReadKeyFile reads the key from a regular file (no link) that belongs to this
// user or root and that no one else can read. Its errors wrap [ErrMissing],
// [ErrExposed] or [ErrMalformed], say what to do, and never hold what the file
// holds.
func ReadKeyFile(path string) (*FileKey, error) {
	// O_NONBLOCK: a fifo must not hold up the start.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("key file %q: %w; put it back, or name it with --key-file", path, ErrMissing)
	case errors.Is(err, syscall.ELOOP):
		return nil, fmt.Errorf("key file %q: %w: it is a symbolic link; name the file itself with --key-file", path, ErrMalformed)
	case err != nil:
		return nil, fmt.Errorf("reading key file %q: %w", path, cause(err))
	}
	defer f.Close()
	if err := checkKeyFile(f, path); err != nil {
		return nil, fmt.Errorf("key file %q: %w", path, err)
	}
	key, err := readKey(f)
	if err != nil {
		return nil, fmt.Errorf("key file %q: %w", path, err)
	}
	return key, nil
}

// checkKeyFile looks at the open file, so that nothing can be put in its place
// between the look and the read.
func checkKeyFile(f *os.File, path string) error {
	info, err := f.Stat()
	if err != nil {
		return cause(err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%w: not a regular file", ErrMalformed)
	}
	owner := info.Sys().(*syscall.Stat_t).Uid
	if owner != 0 && owner != uint32(os.Geteuid()) {
		return fmt.Errorf("%w: it belongs to uid %d; make it belong to the user that runs assd", ErrExposed, owner)
	}
	if perm := info.Mode().Perm(); perm&^allowedMode(path, owner) != 0 {
		return fmt.Errorf("%w: mode %04o lets others in; run: chmod 600 %s", ErrExposed, perm, shell.Quote(path))
	}
	return nil
}

// allowedMode is 0600, and in systemd's credentials directory also 0440 of
// root: there the bits of the group are the mask of the access list by which
// systemd lets the service's user in.
func allowedMode(path string, owner uint32) fs.FileMode {
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir != "" && owner == 0 && filepath.Dir(path) == filepath.Clean(dir) {
		return keyFileMode | 0o040
	}
	return keyFileMode
}

func readKey(r io.Reader) (*FileKey, error) {
	var buf [keyFileSize + 1]byte // one more, to see a file that is too long
	defer clear(buf[:])
	n, err := io.ReadFull(r, buf[:])
	if err == nil || n < keyFileSize {
		return nil, fmt.Errorf("%w: it should be one line of %d bytes; put back a copy that is whole", ErrMalformed, keyFileSize)
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, cause(err)
	}
	return parseKeyLine(buf[:n])
}

func parseKeyLine(line []byte) (*FileKey, error) {
	malformed := fmt.Errorf("%w: it should be %q and 43 base64url digits; put back a copy that is whole", ErrMalformed, keyFilePrefix)
	digits, ok := bytes.CutPrefix(line, []byte(keyFilePrefix))
	if !ok {
		return nil, malformed
	}
	key := make([]byte, keySize+1) // one more, since Decode writes what it is given
	n, err := base64.RawURLEncoding.Strict().Decode(key, bytes.TrimSuffix(digits, []byte("\n")))
	again := keyLine(key[:n])
	defer clear(again)
	// Compared, because base64 skips newlines inside.
	if err != nil || n != keySize || !bytes.Equal(again, line) {
		clear(key)
		return nil, malformed
	}
	return &FileKey{materialOf(key[:keySize:keySize])}, nil
}

// cause drops the operation and path that *fs.PathError repeats.
func cause(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}
