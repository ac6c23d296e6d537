package vault

import (
	"context"
	"encoding/json"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
)

// contents are what a data file says without a key. Its trail has to bear it out.
type contents struct {
	tenant  string
	slots   []string // kinds, each once
	all     []SlotBack
	living  []Returning
	revoked []string // ids
}

// inspect checks a data file as Verify does, and says what is in it as far as that can be
// read.
func inspect(ctx context.Context, path string) (rep audit.Report, c contents, err error) {
	db, err := openCopy(path, true)
	if err != nil {
		return rep, c, err
	}
	defer db.Close()
	if rep, err = verifyAll(ctx, db); err != nil {
		return rep, c, err
	}
	return rep, c, db.View(c.read)
}

func openCopy(path string, check bool) (*store.DB, error) {
	return store.Open(store.Config{Path: path, ReadOnly: true, MustExist: true, CheckPages: check})
}

func (c *contents) read(s *store.Snapshot) error {
	var st state
	if err := unchecked(s, store.Vault, stateKey, &st); err != nil {
		return err
	}
	c.tenant = st.Tenant
	slots, err := parseSlots(s)
	if err != nil {
		return err
	}
	for _, s := range slots {
		c.all = append(c.all, SlotBack{string(s.ID), string(s.Kind)})
	}
	for _, k := range kindsOf(slots) {
		c.slots = append(c.slots, string(k))
	}
	for _, k := range []kind{kindOwner, kindAgent} {
		if err := s.Scan(k.bucket(), nil, func(_, raw []byte) (bool, error) {
			var id identity
			if rec, ok := audit.ParseRecord(raw); ok && json.Unmarshal(rec.Content, &id) == nil {
				c.add(k, id)
			}
			return true, nil
		}); err != nil {
			return err
		}
	}
	return nil
}

func (c *contents) add(k kind, id identity) {
	if !id.Revoked.IsZero() {
		c.revoked = append(c.revoked, id.ID)
		return
	}
	c.living = append(c.living, Returning{string(k), id.Name, id.ID})
}

// RestoreShown is how long owners are told of a restore.
const RestoreShown = 30 * 24 * time.Hour
