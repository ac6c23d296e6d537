package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/away"
)

// backup is the table [backup] of the configuration file.
type backup struct {
	dir   string
	every time.Duration
	keep  int
}

// How often backups are taken, and how many are kept.
const (
	defaultBackupEvery = 6 * time.Hour
	minBackupEvery     = time.Minute
	defaultBackupKeep  = 28
	maxBackupKeep      = 10_000
)

var backupNames = []string{"dir", "every", "keep"}

// readBackup reads the table strictly; nil is no table.
func readBackup(table any) (*backup, error) {
	if table == nil {
		return nil, nil
	}
	values, ok := table.(map[string]any)
	if !ok {
		return nil, errors.New("backup is a table: [backup]")
	}
	b := &backup{every: defaultBackupEvery, keep: defaultBackupKeep}
	if err := setAll(values, b.set); err != nil {
		return nil, fmt.Errorf("[backup]: %w", err)
	}
	if b.dir == "" {
		return nil, errors.New(`[backup]: the folder is missing: dir = "/mnt/backups"`)
	}
	return b, nil
}

func (b *backup) set(name string, value any) (err error) {
	switch name {
	case "dir":
		text, ok := value.(string)
		if !ok || !filepath.IsAbs(text) || strings.ContainsRune(text, 0) {
			return errors.New(`dir is the path of a folder from the root, as in dir = "/mnt/backups"`)
		}
		b.dir = filepath.Clean(text)
	case "every":
		b.every, err = readTime(name, value, "6h", minBackupEvery, 0)
	case "keep":
		n, ok := value.(int64)
		if !ok || n < 1 || n > maxBackupKeep {
			return fmt.Errorf("keep is a whole number from 1 to %d", maxBackupKeep)
		}
		b.keep = int(n)
	default:
		hint := ""
		if near := nearest(name, backupNames); near != "" {
			hint = "; is it " + near + "?"
		}
		return fmt.Errorf("this version of assd knows no %q there%s", name, hint)
	}
	return err
}

// open looks whether the folder can be used.
func (b *backup) open() (*vault.BackupPlan, error) {
	if b == nil {
		return nil, nil
	}
	to := away.NewFolder(b.dir)
	if err := to.Check(); err != nil {
		return nil, fmt.Errorf("backup to %s: %w", b.dir, err)
	}
	return &vault.BackupPlan{To: to, Every: b.every, Keep: b.keep}, nil
}
