package keyring

import (
	"fmt"
	"os"

	"github.com/godbus/dbus/v5"
)

// connect makes the connection that the library is going to use; end closes it. No bus
// is started for it, as the library would.
func connect() (end func(), err error) {
	if !busRuns() {
		return nil, errNoBus
	}
	conn, err := dbus.SessionBus()
	if err != nil {
		return nil, err
	}
	return func() { _ = conn.Close() }, nil
}

// busRuns reports whether the library would find an address.
func busRuns() bool {
	address := os.Getenv("DBUS_SESSION_BUS_ADDRESS")
	if address != "" && address != "autolaunch:" {
		return true
	}
	dir := fmt.Sprintf("/run/user/%d/", os.Getuid())
	for _, name := range []string{"bus", "dbus-session"} {
		if _, err := os.Stat(dir + name); err == nil {
			return true
		}
	}
	return false
}
