package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	bolt "go.etcd.io/bbolt"
)

// edit DB WHAT [N]: changes a data file as something other than assd would:
//
//	event N   flips a bit in the middle of that event
//	hash N    flips a bit of that event's hash
//	head N    flips a bit of that event's signed head
//	drop N    removes that event
//	swap N    exchanges that event and the next one
//	value     flips a bit in the first value
//	record    flips a bit in the first secret's record
//	format N  makes it say that it is of format N
//	other     replaces it by a bbolt file that is no vault
//	cut N     keeps only its first N bytes
func edit(ts *testscript.TestScript, _ bool, args []string) {
	path, n := ts.MkAbs(args[0]), uint64(0)
	if len(args) > 2 {
		var err error
		n, err = strconv.ParseUint(args[2], 10, 63)
		ts.Check(err)
	}
	switch args[1] {
	case "cut":
		ts.Check(os.Truncate(path, int64(n)))
	case "other":
		ts.Check(os.Remove(path))
		ts.Check(inBolt(path, func(tx *bolt.Tx) error {
			_, err := tx.CreateBucket([]byte("cats"))
			return err
		}))
	default:
		ts.Check(inBolt(path, func(tx *bolt.Tx) error { return change(tx, args[1], n) }))
	}
}

func inBolt(path string, fn func(*bolt.Tx) error) error {
	b, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second})
	if err != nil {
		return err
	}
	return errors.Join(b.Update(fn), b.Close())
}

func change(tx *bolt.Tx, what string, n uint64) error {
	key := binary.BigEndian.AppendUint64(nil, n)
	events := tx.Bucket([]byte("audit"))
	switch what {
	case "event":
		return flip(events, key, 0.5)
	case "hash":
		return flip(events, key, 0)
	case "head":
		return flip(events, append(key, 'h'), 0.5)
	case "drop":
		return events.Delete(key)
	case "swap":
		next := binary.BigEndian.AppendUint64(nil, n+1)
		a, b := bytes.Clone(events.Get(key)), bytes.Clone(events.Get(next))
		return errors.Join(events.Put(key, b), events.Put(next, a))
	case "value", "record":
		b := tx.Bucket([]byte(map[string]string{"value": "values", "record": "secrets"}[what]))
		first, _ := b.Cursor().First()
		return flip(b, first, 0.9)
	case "format":
		return tx.Bucket([]byte("meta")).Put([]byte("format"), binary.BigEndian.AppendUint32(nil, uint32(n)))
	}
	return fmt.Errorf("edit knows no %q", what)
}

// flip flips a bit of an entry, at that part of its length.
func flip(b *bolt.Bucket, key []byte, at float64) error {
	entry := bytes.Clone(b.Get(key))
	if entry == nil {
		return fmt.Errorf("there is no entry %x", key)
	}
	entry[int(at*float64(len(entry)))] ^= 1
	return b.Put(bytes.Clone(key), entry)
}
