package confine

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/landlock-lsm/go-landlock/landlock"
	llsys "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// rights are what each access comes to. Executing is in none of them, nor making
// folders, links, devices or sockets.
var rights = map[Access]landlock.AccessFSSet{
	Read:   llsys.AccessFSReadFile | llsys.AccessFSReadDir,
	Write:  llsys.AccessFSReadFile | llsys.AccessFSReadDir | llsys.AccessFSWriteFile | llsys.AccessFSTruncate | llsys.AccessFSMakeReg | llsys.AccessFSRemoveFile,
	Remove: llsys.AccessFSRemoveFile,
}

// process restricts all threads: the library goes through each, and what they start
// later inherits it.
//
// BUG: the limit on listeners does not hold for Multipath TCP, which Landlock lets
// pass; and a Unix socket can be connected to by its path.
func process(cfg Config) (State, error) {
	if err := again(); err != nil {
		return State{}, err
	}
	abi, err := llsys.LandlockGetABIVersion()
	if err != nil || abi < 1 {
		return State{Lacks: "this kernel has no Landlock, or it is not switched on: Linux 5.13 or newer, with landlock in /sys/kernel/security/lsm"}, nil
	}
	rules, err := rulesOf(cfg.Folders)
	if err != nil {
		return State{}, err
	}
	if cfg.Program != "" {
		rules = append(rules, landlock.PathAccess(llsys.AccessFSExecute|llsys.AccessFSReadFile, cfg.Program))
	}
	if err := wanted(cfg).BestEffort().Restrict(rules...); err != nil {
		return State{Lacks: fmt.Sprintf("Landlock refused: %v", err)}, nil
	}
	errata, err := llsys.LandlockGetErrata()
	lacks := lacking(abi, err == nil && errata&signalsFixed != 0)
	for _, f := range cfg.Folders {
		if real, err := filepath.EvalSymlinks(f.Path); err == nil && real == "/" {
			lacks = append(lacks, "no folder is shut to it, because a file that it uses lies in /: move that into a folder of its own")
			break
		}
	}
	if len(lacks) > 0 {
		return State{Level: Partial, Lacks: join(lacks)}, nil
	}
	return State{Level: Full}, nil
}

// again gives up what is given up without Landlock too.
func again() error {
	// Landlock wants it, and it is good without: what is executed gets no rights that
	// we do not have.
	if err := llsys.AllThreadsPrctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("giving up new privileges: %w", err)
	}
	return shedCapabilities()
}

// wanted is what is restricted: what is not in a rule is refused.
func wanted(cfg Config) landlock.Config {
	c := landlock.Config{
		HandledAccessFS:  landlock.V5.HandledAccessFS,
		HandledAccessNet: llsys.AccessNetBindTCP,
		Scoped:           llsys.ScopeSignal,
	}
	if !cfg.AbstractSockets {
		c.Scoped |= llsys.ScopeAbstractUnixSocket
	}
	return c
}

func rulesOf(folders []Folder) ([]landlock.Rule, error) {
	var rules []landlock.Rule
	for _, f := range folders {
		info, err := os.Stat(f.Path)
		switch {
		case err != nil && f.Access != Write:
			continue
		case err != nil:
			return nil, fmt.Errorf("looking at a folder to be kept to: %w", err)
		case !info.IsDir():
			return nil, fmt.Errorf("keeping to folder %q: it is none", f.Path)
		}
		rules = append(rules, landlock.PathAccess(rights[f.Access], f.Path))
	}
	return rules, nil
}

// signalsFixed is the bit of the erratum without which threads of one process cannot
// signal each other, so that the library leaves scopes alone.
const signalsFixed = 1 << 1

// lacking is what a version of Landlock does not restrict, of what the package
// promises. See landlock(7).
func lacking(abi int, signalsFixed bool) (lacks []string) {
	for _, l := range []struct {
		abi  int
		what string
	}{
		{3, "files can be cut short"},
		{4, "it can listen on other ports"},
		{5, "devices can be controlled"},
	} {
		if abi < l.abi {
			lacks = append(lacks, l.what)
		}
	}
	if abi < 6 || !signalsFixed {
		lacks = append(lacks, "it can send signals and connect to abstract sockets")
	}
	if len(lacks) > 0 {
		lacks[0] = fmt.Sprintf("this kernel's Landlock is version %d: %s", abi, lacks[0])
	}
	return lacks
}
