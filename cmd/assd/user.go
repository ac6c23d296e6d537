package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"github.com/agent-secret-store/assd/internal/peer"
	"github.com/agent-secret-store/assd/internal/runas"
	"github.com/agent-secret-store/assd/internal/shell"
	"github.com/agent-secret-store/assd/vault/server"
)

// startedAsRoot decides on defaults, which do not change when root is dropped.
var startedAsRoot = os.Geteuid() == 0

// become makes this process the named user's as far as that can be before addresses
// are taken: files are read as that user. "": it stays whose it is, and nil.
func become(name string) (*runas.User, error) {
	if name == "" {
		return nil, nil
	}
	if !startedAsRoot {
		return nil, errors.New("--user drops root, and assd was not started by root: leave it out, or start assd as root")
	}
	u, err := runas.Find(name)
	if err != nil {
		return nil, fmt.Errorf("--user: %w", err)
	}
	return u, u.Begin()
}

// begin is become for the user whom a flag or the environment names. The data dir is
// looked at first, since the configuration is read from it.
func (c *serveCmd) begin() (*runas.User, error) {
	u, err := become(c.User)
	if u == nil || err != nil || c.Config != "" {
		return u, err
	}
	if err := checkDataDir(u, c.dataDir()); err != nil {
		return nil, &exitError{1, err}
	}
	return u, nil
}

// settle makes sure of the user, whom an accepted configuration may name as well, and
// sees to the data dir and the socket's group.
func (c *serveCmd) settle(u *runas.User) error {
	if u == nil && c.User == "" {
		return nil
	}
	if u == nil || u.Name != c.User {
		return &exitError{2, errors.New("the configuration file, and the one in force that an owner has accepted, do not name the same user: give --user NAME")}
	}
	c.as = u
	if c.SocketGroup == "" && filepath.Dir(c.socket()) != filepath.Clean(c.dataDir()) {
		c.SocketGroup = u.Group
	}
	return makeDataDir(u, c.dataDir())
}

// checkDataDir refuses a data dir that is another user's. There need not be one.
func checkDataDir(u *runas.User, dir string) error {
	uid, err := peer.OwnerUID(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("%w; user %q, whom assd is to run as, must get to its data dir", err, u.Name)
	case uid != u.UID:
		return fmt.Errorf("data dir %q belongs to uid %d and must be user %q's, whom assd is to run as: chown -R %s: %s",
			dir, uid, u.Name, u.Name, shell.Quote(dir))
	}
	return nil
}

// makeDataDir makes the data dir where there is none: as root only where all above
// is root's, so that nobody can have led the way elsewhere.
func makeDataDir(u *runas.User, dir string) error {
	if _, err := os.Stat(dir); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return checkDataDir(u, dir)
	}
	return u.AsRoot(func() error {
		if !rootsAlone(dir) {
			return nil // the vault makes it, as the user
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Clean(dir)), 0o755); err != nil {
			return fmt.Errorf("making data dir: %w", err)
		}
		if err := os.Mkdir(dir, 0o700); err != nil {
			return fmt.Errorf("making data dir: %w", err)
		}
		return os.Lchown(dir, u.UID, u.GID)
	})
}

// rootsAlone reports whether root alone decides what is at path, as far down as
// there is something.
func rootsAlone(path string) bool {
	path, err := filepath.Abs(path)
	if err != nil {
		return false
	}
	for path != filepath.Dir(path) {
		if _, err := os.Lstat(filepath.Dir(path)); err == nil {
			return peer.CheckParents(path, 0) == nil
		}
		path = filepath.Dir(path)
	}
	return false
}

// listenUnix makes the socket; as root where only root may. In a folder of the
// user's own, root would follow whatever that user has left there.
func (c *serveCmd) listenUnix(cfg server.SocketConfig) (l net.Listener, err error) {
	if c.as == nil || cfg.Group == "" {
		return server.ListenUnix(cfg)
	}
	made := false
	err = c.as.AsRoot(func() (err error) {
		if rootsAlone(cfg.Path) {
			made = true
			l, err = server.ListenUnix(cfg)
		}
		return err
	})
	if made || err != nil {
		return l, err
	}
	return server.ListenUnix(cfg)
}

// drop gives root up for good, once all addresses are taken. Clients look whose the
// socket is.
func (d *daemon) drop(u *runas.User) error {
	if u == nil {
		return nil
	}
	if err := u.Drop(); err != nil {
		return err
	}
	d.log.Info("root was dropped", "user", u.Name, "uid", u.UID, "gid", u.GID)
	return server.Announce(d.socket)
}
