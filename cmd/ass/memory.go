package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/agent-secret-store/assd/audit/chain"
	"github.com/agent-secret-store/assd/internal/peer"
)

// memory keeps the highest checkpoint of each vault that was seen from here, a file for
// each tenant: so a trail that was cut, put back or made anew is noticed by whoever has
// seen more of it. Beside them a file for each URL says which tenant answered there, for
// a daemon that shows no checkpoint any more. The folder and what is in it are ours alone.
type memory struct{ dir string }

const (
	memoryLock = ".lock"
	lockTime   = 2 * time.Second // for which another ass, which may be suspended, is waited for
)

func newMemory() (memory, error) {
	dir := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(dir) { // as the specification of it has it
		h, err := home()
		if err != nil {
			return memory{}, err
		}
		dir = filepath.Join(h, ".local", "state")
	}
	return memory{filepath.Join(dir, "ass", "checkpoints")}, nil
}

func (m memory) path(name string) string { return filepath.Join(m.dir, name) }

// of is the checkpoint kept for a tenant whose name was checked; nil: there is none.
func (m memory) of(tenant string) (*chain.Checkpoint, error) {
	b, err := m.read(tenant)
	if err != nil || b == nil {
		return nil, err
	}
	c, err := chain.ParseCheckpoint(b)
	if err == nil && c.Tenant != tenant {
		err = chain.ErrOtherVault
	}
	if err != nil {
		return nil, &fault{
			code: codeFailed, message: fmt.Sprintf("%s, where the checkpoint seen last is kept: %v", m.path(tenant), err),
			hint: "look who changed it; to begin anew with what the daemon says now: ass audit checkpoint --forget",
		}
	}
	return &c, nil
}

// raise puts c in the place of a lower one, or of none, whole or not at all, and notes
// that its vault answers at url.
func (m memory) raise(c chain.Checkpoint, url string) error {
	err := m.locked(func() error {
		now, err := m.of(c.Tenant)
		if err == nil && (now == nil || now.Seq < c.Seq) {
			err = m.write(c.Tenant, c.String())
		}
		if err == nil && m.at(url) != c.Tenant {
			err = m.write(urlFile(url), c.Tenant)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("keeping the checkpoint: %w", err)
	}
	return nil
}

// at is the tenant that answered at url the last time; "": nobody knows.
func (m memory) at(url string) string {
	b, err := m.read(urlFile(url))
	if tenant := string(b); err == nil && chain.IsTenant(tenant) {
		return tenant
	}
	return ""
}

// urlFile names the file of a URL.
func urlFile(url string) string { return fmt.Sprintf("url-%x", sha256.Sum256([]byte(url)))[:36] }

// forget removes what is kept for a tenant.
func (m memory) forget(tenant string) error {
	err := m.locked(func() error { return os.Remove(m.path(tenant)) })
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forgetting the checkpoint: %w", err)
	}
	return nil
}

// read is what a file holds, or of one that is too long a byte too much; nil: there is
// none.
func (m memory) read(name string) ([]byte, error) {
	for _, path := range []string{m.dir, m.path(name)} {
		err := private(path, path == m.dir)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
	}
	f, err := os.Open(m.path(name))
	if err != nil {
		return nil, fmt.Errorf("reading the checkpoint seen last: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, chain.MaxCheckpoint+1))
	if err != nil {
		return nil, fmt.Errorf("reading the checkpoint seen last: %w", err)
	}
	return b, nil
}

// private refuses what others could have put there, where the system can tell.
func private(path string, dir bool) error {
	err := peer.CheckPrivate(path, dir)
	switch {
	case err == nil, errors.Is(err, errors.ErrUnsupported):
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return err
	}
	return &fault{
		code: codeFailed, message: "what is kept of checkpoints seen before: " + err.Error(), whole: true,
		hint: "look who did that, and put it right; or keep it in another folder: XDG_STATE_HOME=DIR",
	}
}

// write puts text in the place of a file, whole or not at all.
func (m memory) write(name, text string) error {
	f, err := os.CreateTemp(m.dir, ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone, once it has its place
	_, err = io.Copy(f, strings.NewReader(text))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), m.path(name))
}

// locked runs fn while no other ass changes what is kept.
func (m memory) locked(fn func() error) error {
	if err := os.MkdirAll(m.dir, 0o700); err != nil {
		return err
	}
	if err := private(m.dir, true); err != nil {
		return err
	}
	f, err := os.OpenFile(m.path(memoryLock), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer f.Close() // which gives the lock back
	for end := time.Now().Add(lockTime); ; time.Sleep(10 * time.Millisecond) {
		held, err := tryLock(f)
		switch {
		case err != nil:
			return fmt.Errorf("locking %s: %w", f.Name(), err)
		case held:
			return fn()
		case time.Now().After(end):
			return fmt.Errorf("another ass has held %s for %v: end it, and run this again", f.Name(), lockTime)
		}
	}
}
