package audit

import (
	"crypto/hmac"

	"github.com/agent-secret-store/assd/store"
)

// macKeys authenticate records: the key that does, and the one before it, which is good
// for what was written before it was replaced, and for nothing newer.
type macKeys struct {
	now, old []byte
	before   uint64 // the event from which on old is worth nothing
}

// fits reports whether the MAC of a record is that of a key that is good for it.
func (m *macKeys) fits(o Object, rec Record) bool {
	if hmac.Equal(rec.MAC, recordMAC(m.now, o, rec.Seq, rec.Content)) {
		return true
	}
	return m.old != nil && rec.Seq < m.before && hmac.Equal(rec.MAC, recordMAC(m.old, o, rec.Seq, rec.Content))
}

// RotateMAC has next authenticate the records of the next event and of all behind it.
// What is there stays good by the key before, until DropOldMAC.
func (l *Log) RotateMAC(tx *store.Tx, next []byte) {
	was := l.macs.Load()
	l.setMACs(tx, &macKeys{now: next, old: was.now, before: l.Next()})
}

// DropOldMAC has the key before be worth nothing.
func (l *Log) DropOldMAC(tx *store.Tx) { l.setMACs(tx, &macKeys{now: l.macs.Load().now}) }

func (l *Log) setMACs(tx *store.Tx, next *macKeys) {
	was := l.macs.Load()
	l.macs.Store(next)
	tx.OnUndo(func() { l.macs.Store(was) })
}
