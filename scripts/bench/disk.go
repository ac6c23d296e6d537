package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"
)

// disk is the commit floor: a bbolt file on the disk of the vault.
type disk struct {
	db  *bolt.DB
	seq uint64
}

var floorBucket = []byte("records")

func openDisk(path string) (*disk, error) {
	db, err := bolt.Open(path, 0o600, &bolt.Options{NoStatistics: true, FreelistType: bolt.FreelistMapType})
	if err != nil {
		return nil, fmt.Errorf("opening the commit floor: %w", err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		_, err := tx.CreateBucket(floorBucket)
		return err
	})
	return &disk{db: db}, err
}

func (d *disk) close() error { return d.db.Close() }

// commits appends records of size bytes, a commit each, for the given time.
func (d *disk) commits(ctx context.Context, size int, length time.Duration, s *samples) error {
	record := make([]byte, size)
	var seen []time.Duration
	begin := time.Now()
	for time.Since(begin) < length && ctx.Err() == nil {
		sent := time.Now()
		d.seq++
		err := d.db.Update(func(tx *bolt.Tx) error {
			return tx.Bucket(floorBucket).Put(binary.BigEndian.AppendUint64(nil, d.seq), record)
		})
		if err != nil {
			return err
		}
		seen = append(seen, time.Since(sent))
	}
	s.add(time.Since(begin), seen)
	return ctx.Err()
}

// writtenSizes does each operation once and returns, by action, how long the
// record of its event is in the audit bucket, in bytes; for a write, with the
// value.
func (v *vault) writtenSizes(ctx context.Context) (map[string]int, error) {
	stop, err := v.serve(ctx)
	if err != nil {
		return nil, err
	}
	ops, err := v.operations(ctx)
	for _, op := range ops {
		if err == nil {
			err = newEndpoint(v.socket).do(ctx, op.request(0), nil)
		}
	}
	if stopped := stop(); err == nil {
		err = stopped
	}
	if err != nil {
		return nil, err
	}
	sizes, err := auditSizes(filepath.Join(v.data, "vault.db"))
	if err == nil {
		sizes[writeEvent] += len(value)
	}
	return sizes, err
}

func auditSizes(path string) (map[string]int, error) {
	const hashSize = 32 // before the event's JSON
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true, Timeout: time.Second})
	if err != nil {
		return nil, fmt.Errorf("looking at the audit bucket: %w", err)
	}
	defer db.Close()
	sizes := map[string]int{}
	err = db.View(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte("audit")).ForEach(func(k, v []byte) error {
			if len(k) != 8 { // a signed head, behind the event it belongs to
				return nil
			}
			var event struct{ Action string }
			if err := json.Unmarshal(v[hashSize:], &event); err != nil {
				return err
			}
			sizes[event.Action] = len(v)
			return nil
		})
	})
	return sizes, err
}
