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
var kept atomic.Pointer[[]os.FileInfo]

// Process confines the process that it runs in, for good. Where the system cannot,
// that is no error but stands in the state.
func Process(cfg Config) (State, error) {
	state, err := process(cfg)
	if err == nil && state.Level != None {
		remember(cfg.Folders)
	}
	return state, err
}

func remember(folders []Folder) {
	var infos []os.FileInfo
	for _, f := range folders {
		if info, err := os.Stat(f.Path); err == nil && f.Access != Remove {
			infos = append(infos, info)
		}
	}
	kept.Store(&infos)
}

// Beyond reports whether the process is confined, and path leads to where it can
// no longer read.
func Beyond(path string) bool {
	infos := kept.Load()
	if infos == nil {
		return false
	}
	at, err := filepath.Abs(path)
	if err != nil {
		return false
	}
	if real, err := filepath.EvalSymlinks(at); err == nil {
		at = real
	}
	for at != filepath.Dir(at) {
		at = filepath.Dir(at)
		if info, err := os.Stat(at); err == nil && among(*infos, info) {
			return false
		}
	}
	return true
}

func among(infos []os.FileInfo, one os.FileInfo) bool {
	for _, info := range infos {
		if os.SameFile(info, one) {
			return true
		}
	}
	return false
}

// join lists words for a person.
func join(words []string) string { return strings.Join(words, ", ") }
