package main

import (
	"os"
	"path/filepath"
)

// defaultDataDir is /var/lib/assd for root, else assd in the user's data folder.
func defaultDataDir() string {
	if startedAsRoot {
		return "/var/lib/assd"
	}
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "assd")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "assd-data"
	}
	return filepath.Join(home, ".local", "share", "assd")
}

// defaultSocket is /run/assd/assd.sock for root, else assd/assd.sock in the
// user's runtime folder, else in the data dir.
func defaultSocket(dataDir string) string {
	if startedAsRoot {
		return "/run/assd/assd.sock"
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "assd", "assd.sock")
	}
	return filepath.Join(dataDir, "assd.sock")
}

// socketURL is the address of a socket as ass takes it.
func socketURL(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return "unix://" + path
}

func (d dataFlags) dataDir() string {
	if d.DataDir != "" {
		return d.DataDir
	}
	return defaultDataDir()
}
