package store_test

import (
	"encoding/hex"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/agent-secret-store/assd/store"
)

// What stands here stands in every vault ever made: it is never changed, only
// added to, under a new format.
const goldenBuckets = "agents approvals audit credentials due expiry grants keys meta names namespaces outbox owners passphrases secrets slots tokens trail values vault wishes"

func TestFormatOnDisk(t *testing.T) {
	path := newPath(t)
	close(t, open(t, store.Config{Path: path}))
	var names []string
	var format string
	inspect(t, path, func(btx *bolt.Tx) error {
		format = hex.EncodeToString(btx.Bucket([]byte("meta")).Get([]byte("format")))
		return btx.ForEach(func(name []byte, _ *bolt.Bucket) error {
			names = append(names, string(name))
			return nil
		})
	})
	if got := strings.Join(names, " "); got != goldenBuckets {
		t.Errorf("buckets on disk: %s\nwant:            %s", got, goldenBuckets)
	}
	if format != "00000002" {
		t.Errorf("meta/format is %s, want 00000002", format)
	}
}

// inspect looks at a file, or changes it, without the store.
func inspect(t *testing.T, path string, fn func(*bolt.Tx) error) {
	t.Helper()
	b, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Update(fn); err != nil {
		t.Fatal(err)
	}
}
