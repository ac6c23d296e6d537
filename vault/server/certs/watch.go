package certs

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Watch keeps the certificate in use as the files are, until ctx ends: it looks
// when something changes in a folder on the way to them, each minute, and at
// once when something comes from again.
func (k *Keeper) Watch(ctx context.Context, again <-chan os.Signal) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		k.cfg.Log.Warn("the TLS files cannot be watched; they are looked at once a minute", "error", err)
		w = &fsnotify.Watcher{} // silent
	} else {
		defer w.Close()
	}
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	// What changed before there was a watch is seen by the first look.
	settled := time.After(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-again:
			k.look(true)
			continue
		case <-w.Events:
		case <-w.Errors: // it has missed something
		case <-poll.C:
			settled = time.After(0)
			continue
		case <-settled:
			settled = nil
			k.follow(w)
			k.look(false)
			continue
		}
		// One look for all that changes together, and soon although it goes on.
		if settled == nil {
			settled = time.After(settle)
		}
	}
}

// follow watches the folders that the files are reached by now. One that cannot
// be watched is looked at with the others, each minute.
func (k *Keeper) follow(w *fsnotify.Watcher) {
	if w.Events == nil {
		return
	}
	var want []string
	for _, path := range []string{k.cfg.certFile().path, k.cfg.keyFile().path, k.cfg.ClientCAFile} {
		if path != "" {
			want = append(want, folders(path)...)
		}
	}
	for _, dir := range w.WatchList() {
		if !slices.Contains(want, dir) {
			_ = w.Remove(dir) // gone by itself, then
		}
	}
	for _, dir := range want {
		if err := w.Add(dir); err != nil && k.cfg.Log.IsDebug() {
			k.cfg.Log.Debug("a folder of TLS files cannot be watched; it is looked at once a minute", "folder", dir, "error", err)
		}
	}
}

// folders are those in which a change can lead path to another file: its own, the
// real one, and that of each symbolic link above. Files are replaced by rename,
// and whole folders by a swapped link.
func folders(path string) []string {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil
	}
	dirs := []string{filepath.Dir(abs)}
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		dirs = append(dirs, filepath.Dir(real))
	}
	for at := filepath.Dir(abs); at != filepath.Dir(at); at = filepath.Dir(at) {
		if info, err := os.Lstat(at); err == nil && info.Mode().Type() == fs.ModeSymlink {
			dirs = append(dirs, filepath.Dir(at))
		}
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// look takes what the files hold and, whatever that is, warns when the end of
// what is shown comes near.
func (k *Keeper) look(asked bool) {
	k.reload(asked)
	k.age()
}

// reload takes what the files hold, if it is good. What is as before is not told
// again, unless somebody asked for the look.
func (k *Keeper) reload(asked bool) {
	s, err := k.cfg.load()
	if err == nil {
		err = k.better(s)
	}
	if err != nil {
		if asked || err.Error() != k.problem {
			k.problem = err.Error()
			k.cfg.Log.Error("the TLS files cannot be used; the certificate loaded before stays in use", "error", err)
		}
		return
	}
	same := s.id == k.current.Load().id
	if same && k.problem == "" && !asked {
		return
	}
	k.problem = ""
	k.current.Store(s)
	k.cfg.Log.Info("TLS certificate loaded", "fingerprint", s.fingerprint(), "changed", !same)
	k.warn()
}

// better refuses a pair that has expired in place of one that has not: clients
// would trust it less than what they are shown.
func (k *Keeper) better(s *state) error {
	now, leaf := k.cfg.now(), s.chain[0]
	if phaseOf(leaf, now) != over || phaseOf(k.current.Load().chain[0], now) == over {
		return nil
	}
	return fmt.Errorf("TLS certificate %q expired at %s: %s", k.cfg.certFile().path, stamp(leaf.NotAfter), k.cfg.fix())
}
