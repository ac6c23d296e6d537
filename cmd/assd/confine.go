package main

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/agent-secret-store/assd/internal/confine"
	"github.com/agent-secret-store/assd/internal/handover"
	"github.com/agent-secret-store/assd/internal/harden"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/away"
)

// confine keeps the daemon to its folders before anybody is answered, and lets the
// vault tell owners how far that went. Helpers must run by now, and be ended by
// closing what they are reached over: they can no longer be signalled.
func (d *daemon) confine(folders []confine.Folder) error {
	state, err := d.laid(folders)
	if err != nil {
		return err
	}
	root := os.Geteuid() == 0
	confined := map[confine.Level]string{
		confine.None: api.ConfinedNone, confine.Partial: api.ConfinedPartial, confine.Full: api.ConfinedFull,
	}[state.Level]
	swap := clearSwap()
	d.vault.TellProcess(vault.Process{Confined: confined, ConfinedLacks: state.Lacks, Root: root, ClearSwap: swap})
	if swap != "" {
		d.log.Warn("what is in memory may reach the disk in the clear; encrypt the swap, or turn it off", "swap", swap)
	}
	if state.Level == confine.Full {
		d.log.Debug("confined to the folders that are used")
	} else {
		d.log.Warn("assd cannot be confined in full to the folders that it uses", "confined", confined, "lacks", state.Lacks)
	}
	if root {
		d.log.Warn("assd runs as root; a user of its own is safer: assd --user NAME")
	}
	return nil
}

// clearSwap says where memory may be swapped to unencrypted, or that it cannot be told;
// "": nowhere.
func clearSwap() string {
	areas, err := harden.ClearSwap()
	if err != nil {
		return err.Error()
	}
	return strings.Join(areas, ", ")
}

// laid confines the daemon; one that goes on sealed, or was so, is confined already, to
// what it was then.
func (d *daemon) laid(folders []confine.Folder) (state confine.State, err error) {
	if d.over != nil {
		d.folders = d.over.Folders
		d.confined, err = confine.Again(d.folders, d.over.Confined)
		return d.confined, err
	}
	program, err := handover.Program() // to go on sealed
	if err != nil {
		d.log.Warn("the program of assd cannot be found; sealing the vault will end it", "error", err)
		program = ""
	}
	d.folders = folders
	d.confined, err = confine.Process(confine.Config{
		Folders: folders, Program: program,
		// One of systemd's may be where it is told that the daemon is ready.
		AbstractSockets: strings.HasPrefix(os.Getenv("NOTIFY_SOCKET"), "@"),
	})
	return d.confined, err
}

// folders are those that are used while serving. What names another one later needs
// a new start.
func (c *serveCmd) folders() []confine.Folder {
	folders := []confine.Folder{{Path: filepath.Dir(c.socket()), Access: confine.Remove}}
	for _, dir := range c.vault().Folders() {
		folders = append(folders, confine.Folder{Path: dir, Access: confine.Write})
	}
	folders = append(folders, confine.Files(c.policyFile(), c.configFile(), c.TLSCert, c.TLSKey, c.ClientCA)...)
	return append(folders, confine.System()...)
}

// folders are those of the files that the tables name.
func (s settings) folders() []confine.Folder {
	var files []string
	for _, h := range s.hooks {
		files = append(files, h.secretFile, h.caFile)
	}
	for _, c := range s.points {
		files = append(files, c.secretFile, c.caFile)
	}
	folders := confine.Files(files...)
	if s.backup != nil {
		for _, dir := range away.NewFolder(s.backup.dir).Folders() {
			folders = append(folders, confine.Folder{Path: dir, Access: confine.Write})
		}
	}
	for _, c := range s.points {
		if c.file == "" {
			continue
		}
		for _, dir := range away.NewFile(c.file).Folders() {
			folders = append(folders, confine.Folder{Path: dir, Access: confine.Write})
		}
	}
	return folders
}
