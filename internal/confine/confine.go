package confine

import (
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
)

// Access is what may be done in a folder and all below it.
type Access int

const (
	// Read files and list folders.
	Read Access = iota
	// Write is Read, and making, changing, renaming and removing files.
	Write
	// Remove what is there, and no more: a socket at the end.
	Remove
)

// Folder is one that can still be used. One that is not there is passed over,
// unless it is to be written.
type Folder struct {
	Path   string
	Access Access
}

// Config says what is left to the process.
type Config struct {
	Folders []Folder
	// Program is the one file that can still be executed; "": none.
	Program string
	// AbstractSockets: those of other processes can still be connected to.
	AbstractSockets bool
}

// Level says how far a process is confined.
type Level int

const (
	None    Level = iota // not at all
	Partial              // not in all that the package promises
	Full
)

// State is how a process is confined.
type State struct {
	Level Level
	// Lacks says what could not be had, and why; "" when nothing lacks.
	Lacks string
}

// kept are the folders that the process was confined to; nil: it is not confined.
var kept atomic.Pointer[[]keptFolder]

type keptFolder struct {
	info  os.FileInfo
	write bool
}

// Process confines the process that it runs in, for good. Where the system cannot,
// that is no error but stands in the state.
func Process(cfg Config) (State, error) {
	state, err := process(cfg)
	if err == nil && state.Level != None {
		remember(cfg.Folders)
	}
	return state, err
}

// Again is Process for one that was confined, to the same folders, before it executed its
// own program: what binds it stays, and is not laid on once more.
func Again(folders []Folder, was State) (State, error) {
	if err := again(); err != nil {
		return State{}, err
	}
	if was.Level != None {
		remember(readable(folders))
	}
	return was, nil
}

// readable are those folders that can still be opened: one that was put in the place of
// another since cannot.
func readable(folders []Folder) (all []Folder) {
	for _, f := range folders {
		if dir, err := os.Open(f.Path); err == nil {
			_ = dir.Close() // nothing was read
			all = append(all, f)
		}
	}
	return all
}

func remember(folders []Folder) {
	var all []keptFolder
	for _, f := range folders {
		if info, err := os.Stat(f.Path); err == nil && f.Access != Remove {
			all = append(all, keptFolder{info, f.Access == Write})
		}
	}
	kept.Store(&all)
}

// Beyond reports whether the process is confined, and path leads to where it can
// no longer read.
func Beyond(path string) bool { return beyond(filepath.Dir(real(path)), false) }

// Unwritable reports whether the process is confined, and can make and change no files
// in the folder at dir.
func Unwritable(dir string) bool { return beyond(real(dir), true) }

// real is the path that a path leads to, as far as that can be said.
func real(path string) string {
	at, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	if real, err := filepath.EvalSymlinks(at); err == nil {
		return real
	}
	return at
}

// beyond reports whether neither the folder at nor one above it is kept.
func beyond(at string, write bool) bool {
	all := kept.Load()
	if all == nil || !filepath.IsAbs(at) {
		return false
	}
	for {
		if info, err := os.Stat(at); err == nil && among(*all, info, write) {
			return false
		}
		if at == filepath.Dir(at) {
			return true
		}
		at = filepath.Dir(at)
	}
}

func among(all []keptFolder, one os.FileInfo, write bool) bool {
	for _, f := range all {
		if os.SameFile(f.info, one) && (f.write || !write) {
			return true
		}
	}
	return false
}

// join lists words for a person.
func join(words []string) string { return strings.Join(words, ", ") }
