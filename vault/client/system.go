package client

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/pelletier/go-toml/v2"
)

// SystemFile tells where the daemon of a system install listens and as whom
// it runs. Root writes it, so it outranks what a user's environment suggests.
const SystemFile = "/etc/assd/client.toml"

const maxSystemFile = 64 << 10

// System is what [SystemFile] says.
type System struct {
	Socket    string `toml:"socket"`     // absolute path
	DaemonUID *int   `toml:"daemon_uid"` // user id of the daemon
}

// ReadSystem reads the file at path, which is [SystemFile] outside tests. It
// returns nil and no error when there is none. A file that is not root's, that
// others can write, or that does not parse is an error, never ignored.
func ReadSystem(path string) (*System, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("opening the system's client file: %w", err)
	}
	defer f.Close()
	if err := checkRoots(f, path); err != nil {
		return nil, fmt.Errorf("refused to read %s: %w", path, err)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxSystemFile))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return parseSystem(path, b)
}

func parseSystem(path string, b []byte) (*System, error) {
	var s System
	if err := toml.NewDecoder(bytes.NewReader(b)).DisallowUnknownFields().Decode(&s); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	if _, err := parseSocket(s.Socket); err != nil {
		return nil, fmt.Errorf("reading %s: socket must be an absolute path", path)
	}
	if s.DaemonUID == nil {
		return nil, fmt.Errorf("reading %s: daemon_uid is missing", path)
	}
	return &s, nil
}

// URL is the daemon's URL.
func (s *System) URL() string { return SocketURL(s.Socket) }
