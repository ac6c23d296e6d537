package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestUserSealCommand: what opens the vault is run as the user, with no way back to
// root, also while assd itself has one.
func TestUserSealCommand(t *testing.T) {
	s := newService(t)
	if err := os.Mkdir(s.at("log"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(s.at("log"), s.uid, s.gid); err != nil {
		t.Fatal(err)
	}
	program := "#!/bin/sh\ngrep -E '^(Uid|Gid|Groups|CapPrm)' /proc/self/status >> " + s.at("log/status") + "\necho a secret that is long enough\n"
	if err := os.WriteFile(s.at("program"), []byte(program), 0o755); err != nil {
		t.Fatal(err)
	}
	flags := []string{"--user", "nobody", "--data-dir", s.dir, "--socket", s.at("run/s"), "--seal", "command", "--seal-command", s.at("program")}
	for range 2 { // made, and opened
		s.begin(flags...)
		s.stop()
	}
	b, err := os.ReadFile(s.at("log/status"))
	if err != nil {
		t.Fatal(err)
	}
	uid, gid := s.as.Uid, s.as.Gid
	once := fmt.Sprintf("Uid: %s %s %s %s Gid: %s %s %s %s Groups: %s CapPrm: 0000000000000000", uid, uid, uid, uid, gid, gid, gid, gid, gid)
	if got := strings.Join(strings.Fields(string(b)), " "); got != once+" "+once {
		t.Errorf("the program ran as\n\t%s; want twice\n\t%s", got, once)
	}
}
