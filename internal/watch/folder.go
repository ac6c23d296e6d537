package watch

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/fsnotify/fsnotify"
)

// follow watches the folders that the files are reached by now. One that cannot
// be watched is looked at with the others, each minute.
func (cfg Config) follow(w *fsnotify.Watcher) {
	if w.Events == nil {
		return
	}
	var want []string
	for _, path := range cfg.Paths() {
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
		if err := w.Add(dir); err != nil && cfg.Log.IsDebug() {
			cfg.Log.Debug("a folder of "+cfg.What+" cannot be watched; it is looked at once a minute", "folder", dir, "error", err)
		}
	}
}

// folders are those in which a change can lead path to another file: its own, the
// real one, and that of each symbolic link above. Files are replaced by rename,
// and whole folders by a swapped link. A link that only another link leads to is
// left to the poll.
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
