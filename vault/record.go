package vault

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
)

// put is the change that stores x as the record at bucket and key.
func put(b store.Bucket, key string, x any) audit.Change {
	content, err := json.Marshal(x)
	if err != nil { // our own plain structs
		panic(fmt.Sprintf("encoding record %s/%s: %v", b, key, err))
	}
	return audit.Change{Object: audit.Object{Bucket: b, Key: key}, Content: content}
}

// remove is the change that removes the record at bucket and key.
func remove(b store.Bucket, key string) audit.Change {
	return audit.Change{Object: audit.Object{Bucket: b, Key: key}}
}

// load is the record at bucket and key, checked and decoded; nil when there is
// none. What it returns is shared: copy it before changing it.
func load[T any](v *Vault, r store.Reader, b store.Bucket, key string) (*T, error) {
	return fetch[T](v, r, b, key, true)
}

// loadOnce is load in a walk over many records, which would push those out of
// memory that are asked for all the time.
func loadOnce[T any](v *Vault, r store.Reader, b store.Bucket, key string) (*T, error) {
	return fetch[T](v, r, b, key, false)
}

func fetch[T any](v *Vault, r store.Reader, b store.Bucket, key string, remember bool) (*T, error) {
	o := audit.Object{Bucket: b, Key: key}
	raw := r.Get(b, []byte(key))
	if known, x := v.cache.get(o, raw); x != nil {
		return x.(*T), v.log.Current(r, o, known)
	}
	// The file is mapped: what another process writes to it shows at once. So
	// check and use the same copy.
	raw = bytes.Clone(raw)
	content, err := v.log.Check(r, o, raw)
	if err != nil || content == nil {
		return nil, err
	}
	x := new(T)
	if err := json.Unmarshal(content, x); err != nil {
		return nil, fmt.Errorf("decoding record %s: %w", o, err)
	}
	if p, ok := any(x).(preparer); ok {
		if err := p.prepare(); err != nil {
			return nil, fmt.Errorf("decoding record %s: %w", o, err)
		}
	}
	if remember {
		v.cache.put(o, raw, x)
	}
	return x, nil
}

// preparer is a record with parts to be parsed once, when it is loaded.
type preparer interface{ prepare() error }

// recordCache remembers records that have been checked and decoded, together
// with the very bytes they were decoded from: a record that differs by one bit
// is checked anew.
type recordCache struct {
	mu sync.RWMutex
	m  map[audit.Object]cachedRecord
}

type cachedRecord struct {
	raw []byte
	x   any
}

// What is remembered: so many records, none longer than so many bytes.
const (
	recordCacheSize  = 8192
	cachedRecordSize = 4 << 10
)

// get is what was decoded from bytes equal to raw, with our copy of them.
func (c *recordCache) get(o audit.Object, raw []byte) ([]byte, any) {
	if raw == nil {
		return nil, nil
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	if e, ok := c.m[o]; ok && bytes.Equal(e.raw, raw) {
		return e.raw, e.x
	}
	return nil, nil
}

// clear forgets all: a key that some of it was checked with is worth nothing any more.
func (c *recordCache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.m = nil
}

func (c *recordCache) put(o audit.Object, raw []byte, x any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil || len(c.m) >= recordCacheSize {
		c.m = make(map[audit.Object]cachedRecord)
	}
	if len(raw) > cachedRecordSize {
		return
	}
	c.m[o] = cachedRecord{raw, x}
}
