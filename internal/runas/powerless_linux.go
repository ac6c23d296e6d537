package runas

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// powerless sees that no capability is left. The kernel takes all when the last of a
// process's user ids stops being root's, unless it was told to keep them.
func powerless() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData // of 32 capabilities each
	if err := unix.Capget(&header, &data[0]); err != nil {
		return fmt.Errorf("looking for capabilities that are left: %w", err)
	}
	for _, d := range data {
		if d.Effective|d.Permitted != 0 {
			return errors.New("capabilities are left after root was dropped: start assd without the securebit keep_caps or no_setuid_fixup")
		}
	}
	return nil
}
