package vault

import (
	"runtime/debug"

	"github.com/agent-secret-store/assd/store"
)

// bigFile is the size of a data file, in bytes, from which on work on all of it leaves
// several times the memory that serving needs.
const bigFile = 8 << 20

// releaseMemory has the system take back at once what work on the whole of db has left: Go by
// itself keeps it for minutes, and until then the next backup or check has come.
func releaseMemory(db *store.DB) {
	if size, err := db.Size(); err == nil && size.File >= bigFile {
		debug.FreeOSMemory()
	}
}
