package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/agent-secret-store/assd/audit/chain"
	"github.com/agent-secret-store/assd/store"
)

// HeadFile keeps the newest signed head outside the database, so that an older
// copy of the database is told from the newest. It is one line of JSON, padded
// to a fixed size and rewritten in place by one write: never longer than a disk
// sector, so never half old and half new. It is not fsynced: after a power cut
// it may be behind, which is a prefix and therefore fine.
type HeadFile struct {
	path   string
	tenant string
	f      *os.File // nil before the first Write
}

const headFileSize = 512

// headLine is what stands in the file.
type headLine struct {
	Tenant string    `json:"tenant"`
	Key    chain.Key `json:"key"`
	Head
	Signature []byte `json:"signature"`
}

// ErrNoHead says that there is no head file.
var ErrNoHead = errors.New("no head file")

// ErrRollback says that the database is older than a head that was signed for
// it, or of another history.
var ErrRollback = errors.New("the database is not the newest")

// ErrOddHead says that what lies at the head file's path is no regular file.
var ErrOddHead = errors.New("no regular file")

// NewHeadFile is the head file at path; the first Write makes it.
func NewHeadFile(path, tenant string) *HeadFile {
	return &HeadFile{path: filepath.Clean(path), tenant: tenant}
}

// open opens the file and gives it its size: what lay there may have been longer,
// and a new one must not come back empty after a power cut.
func (hf *HeadFile) open(content []byte) error {
	f, err := openHead(hf.path, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(content, 0)
	if err = errors.Join(err, f.Truncate(headFileSize), f.Sync()); err != nil {
		return errors.Join(err, f.Close())
	}
	hf.f = f
	return nil
}

// openHead opens a regular file, and nothing else. Who can write its folder must not have
// another file of ours overwritten by a symbolic link, and a pipe must not hold up a start.
func openHead(path string, flag int) (*os.File, error) {
	f, err := os.OpenFile(filepath.Clean(path), flag|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o600)
	if errors.Is(err, syscall.ELOOP) {
		return nil, fmt.Errorf("%q is a symbolic link and %w: put the file itself in its place", path, ErrOddHead)
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%q is %w: move it away, and put the head file there", path, ErrOddHead)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Write replaces what the file says by h. After a failure the next one opens it anew: the
// device that it is on may have come back.
func (hf *HeadFile) Write(h SignedHead) error {
	b, err := json.Marshal(headLine{hf.tenant, h.Key, h.Head, h.Signature})
	if err != nil || len(b) >= headFileSize {
		return fmt.Errorf("writing head file: %d bytes: %w", len(b), err)
	}
	b = append(append(b, bytes.Repeat([]byte{' '}, headFileSize-1-len(b))...), '\n')
	if hf.f == nil {
		err = hf.open(b)
	} else {
		_, err = hf.f.WriteAt(b, 0)
	}
	if err != nil {
		err = errors.Join(err, hf.Close())
		return fmt.Errorf("writing head file: %w", err)
	}
	return nil
}

// Close closes the file.
func (hf *HeadFile) Close() error {
	if hf.f == nil {
		return nil
	}
	f := hf.f
	hf.f = nil
	return f.Close()
}

// ReadHeadFile reads the head kept at path and checks its signature by the keys
// of the vault: ErrNoHead when there is none, ErrOddHead when it is no file.
func ReadHeadFile(path, tenant string, keys chain.Lineage) (Head, error) {
	line, err := readHeadLine(path)
	if err != nil {
		return Head{}, err
	}
	if line.Tenant != tenant {
		return Head{}, fmt.Errorf("head file %q belongs to another vault", path)
	}
	if !keys.Signs(tenant, line.Head, chain.Signature{Epoch: line.Epoch, Bytes: line.Signature}) {
		return Head{}, fmt.Errorf("head file %q is not signed by this vault", path)
	}
	return line.Head, nil
}

// PeekHeadFile is what the head file at path says of itself, where there is no trail
// to hold it against: it is signed, by the key that it names.
func PeekHeadFile(path string) (tenant string, h SignedHead, err error) {
	line, err := readHeadLine(path)
	if err == nil && !line.Verify(line.Tenant, line.Key, line.Signature) {
		err = fmt.Errorf("head file %q is not signed by the key that it names", path)
	}
	return line.Tenant, SignedHead{line.Head, line.Signature, line.Key}, err
}

func readHeadLine(path string) (line headLine, err error) {
	f, err := openHead(path, os.O_RDONLY)
	if errors.Is(err, os.ErrNotExist) {
		return line, fmt.Errorf("%w: %q", ErrNoHead, path)
	}
	if err != nil {
		return line, fmt.Errorf("reading head file: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, headFileSize+1))
	if err != nil {
		return line, fmt.Errorf("reading head file: %w", err)
	}
	if len(b) == 0 {
		return line, fmt.Errorf("%w: %q is empty", ErrNoHead, path)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&line); err != nil || len(b) != headFileSize {
		return line, fmt.Errorf("head file %q is malformed", path)
	}
	return line, nil
}

// Extends reports, by its error, whether the trail in r holds h: ErrRollback
// when it ends before h or has another event there.
func Extends(r store.Reader, h Head) error {
	last, err := lastEntry(r)
	if err != nil {
		return brokenAt(last.Seq, "the trail has no readable last event")
	}
	if last.Seq < h.Seq {
		return fmt.Errorf("%w: it ends at event %d, and event %d was signed", ErrRollback, last.Seq, h.Seq)
	}
	e, err := readEntry(r, h.Seq)
	if err != nil || e.Hash != h.Hash {
		return fmt.Errorf("%w: event %d is not the one that was signed", ErrRollback, h.Seq)
	}
	return nil
}
