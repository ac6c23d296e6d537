//go:build unix

package runas

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"syscall"

	"github.com/agent-secret-store/assd/internal/harden"
)

// User is whom this process runs as. The nil User is whoever started it.
type User struct {
	Name   string
	UID    int
	GID    int
	Group  string // the name of GID
	groups []int
	home   string
}

// Find looks a user up, who must not be root.
func Find(name string) (*User, error) {
	found, err := user.Lookup(name)
	if _, unknown := errors.AsType[user.UnknownUserError](err); unknown {
		return nil, fmt.Errorf("there is no user %q on this machine: useradd --system %s, or name another", name, name)
	}
	if err != nil {
		return nil, fmt.Errorf("looking for user %q: %w", name, err)
	}
	u := &User{Name: found.Username, home: found.HomeDir}
	if u.UID, err = strconv.Atoi(found.Uid); err != nil {
		return nil, fmt.Errorf("looking for user %q: its uid is no number", name)
	}
	if u.UID == 0 {
		return nil, fmt.Errorf("user %q is root: name one who is not", name)
	}
	return u, u.findGroups(found)
}

func (u *User) findGroups(found *user.User) error {
	ids, err := found.GroupIds()
	if err != nil {
		return fmt.Errorf("looking for the groups of user %q: %w", u.Name, err)
	}
	for _, id := range append([]string{found.Gid}, ids...) {
		gid, err := strconv.Atoi(id)
		if err != nil {
			return fmt.Errorf("looking for the groups of user %q: a gid is no number", u.Name)
		}
		u.groups = append(u.groups, gid)
	}
	u.GID = u.groups[0]
	slices.Sort(u.groups)
	u.groups = slices.Compact(u.groups)
	group, err := user.LookupGroupId(found.Gid)
	if err != nil {
		return fmt.Errorf("looking for the group of user %q: %w", u.Name, err)
	}
	u.Group = group.Name
	return nil
}

// Begin gives up root's groups for good, and root for all but [User.AsRoot].
func (u *User) Begin() error {
	err := syscall.Setgroups(u.groups)
	if err == nil {
		err = syscall.Setregid(u.GID, u.GID)
	}
	if err != nil {
		return fmt.Errorf("taking the groups of user %q: %w", u.Name, err)
	}
	for name, value := range map[string]string{"HOME": u.home, "USER": u.Name, "LOGNAME": u.Name} {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	return u.effective(u.UID)
}

// AsRoot runs fn as root, for what only root may do.
func (u *User) AsRoot(fn func() error) error {
	if u == nil {
		return fn()
	}
	if err := u.effective(0); err != nil {
		return err
	}
	return errors.Join(fn(), u.effective(u.UID))
}

// effective changes the effective user alone, of all threads. A change of user makes
// a process as dumpable as the system wants such ones to be.
func (u *User) effective(uid int) error {
	if err := syscall.Setreuid(-1, uid); err != nil {
		return fmt.Errorf("running as uid %d: %w", uid, err)
	}
	return harden.Process(false)
}

// Drop gives root up for good, and sees that it is so.
func (u *User) Drop() error {
	if u == nil {
		return nil
	}
	if err := u.effective(0); err != nil {
		return err
	}
	if err := syscall.Setreuid(u.UID, u.UID); err != nil {
		return fmt.Errorf("running as user %q: %w", u.Name, err)
	}
	if syscall.Setreuid(-1, 0) == nil || syscall.Setregid(-1, 0) == nil && u.GID != 0 || os.Getuid() != u.UID || os.Geteuid() != u.UID {
		return fmt.Errorf("running as user %q: root could be had back", u.Name)
	}
	if err := powerless(); err != nil {
		return err
	}
	return harden.Process(false)
}
