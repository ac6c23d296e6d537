//go:build unix

package client_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/internal/testenv"
	"github.com/agent-secret-store/assd/vault/client"
)

const system = "socket = \"/run/assd/assd.sock\"\ndaemon_uid = 997\n"

func writeSystem(t *testing.T, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(socketDir(t), "client.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadSystem(t *testing.T) {
	if got, err := client.ReadSystem(filepath.Join(t.TempDir(), "none")); got != nil || err != nil {
		t.Errorf("without a file: %v, %v; want nothing", got, err)
	}
	path := writeSystem(t, system, 0o644)
	got, err := client.ReadSystem(path)
	if os.Geteuid() != 0 {
		if err == nil || !strings.Contains(err.Error(), "root") {
			t.Errorf("a file that is not root's: got error %v", err)
		}
		return
	}
	if err != nil || got.URL() != "unix:///run/assd/assd.sock" || *got.DaemonUID != 997 {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestReadSystemRefuses(t *testing.T) {
	if os.Geteuid() != 0 {
		testenv.Skip(t, "only root's files get as far as being read")
	}
	theirs := writeSystem(t, system, 0o644)
	if err := os.Chown(theirs, 54321, 54321); err != nil {
		t.Fatal(err)
	}
	for path, about := range map[string]string{
		theirs:                                                         "belong to root",
		writeSystem(t, system, 0o664):                                  "chmod go-w",
		writeSystem(t, system, 0o646):                                  "chmod go-w",
		writeSystem(t, "socket = ", 0o644):                             "reading",
		writeSystem(t, system+"x=1", 0o644):                            "reading",
		writeSystem(t, "daemon_uid = 1\n", 0o644):                      "socket must be",
		writeSystem(t, "socket = \"x\"\ndaemon_uid = 1\n", 0o644):      "socket must be",
		writeSystem(t, "socket = \"/x\"\n", 0o644):                     "daemon_uid",
		writeSystem(t, "socket = \"/x\"\ndaemon_uid = \"1\"\n", 0o644): "reading",
	} {
		if got, err := client.ReadSystem(path); err == nil || !strings.Contains(err.Error(), about) {
			t.Errorf("%v, %v; want an error about %q", got, err, about)
		}
	}
}
