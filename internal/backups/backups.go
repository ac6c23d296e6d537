package backups

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"
)

// names are those that Name gives: vault and time, so that those of a vault sort by it.
var names = regexp.MustCompile(`^(ten_[a-z2-7]{26})-(\d{8}T\d{6}Z)\.assd-backup$`)

const layout = "20060102T150405Z"

// Name is the file's name of a backup of the vault taken at that time, to the second; ok
// is false where tenant is no vault's name.
func Name(tenant string, at time.Time) (name string, ok bool) {
	name = tenant + "-" + at.UTC().Format(layout) + ".assd-backup"
	return name, names.MatchString(name)
}

// own are the backups of the vault that are in dir, oldest first.
func own(dir, tenant string) (all []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if m := names.FindStringSubmatch(e.Name()); m != nil && m[1] == tenant && e.Type().IsRegular() {
			all = append(all, e.Name())
		}
	}
	slices.Sort(all)
	return all, nil
}

// Prune removes from dir the oldest backups of the vault but for the newest few. Those
// with a later name than just, the one that was just put there, are of a clock that ran
// ahead, and so older than it.
func Prune(dir, tenant, just string, keep int) error {
	all, err := own(dir, tenant)
	if err != nil {
		return err
	}
	if at, found := slices.BinarySearch(all, just); found {
		all = slices.Concat(all[at+1:], all[:at+1])
	}
	for _, name := range all[:max(0, len(all)-keep)] {
		err = errors.Join(err, os.Remove(filepath.Join(dir, name)))
	}
	return err
}

// Newest is when the newest backup of the vault in dir was taken; zero: there is none. One
// that says that it was taken after now is of a clock that ran ahead, and does not count.
func Newest(dir, tenant string, now time.Time) (time.Time, error) {
	all, err := own(dir, tenant)
	if err != nil {
		return time.Time{}, err
	}
	for _, name := range slices.Backward(all) {
		if at := names.FindStringSubmatch(name)[2]; at <= now.UTC().Format(layout) {
			return time.Parse(layout, at)
		}
	}
	return time.Time{}, nil
}
