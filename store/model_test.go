package store_test

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/agent-secret-store/assd/store"
)

// A model is what the store should hold, by bucket and key.
type model map[store.Bucket]map[string]string

func newModel() model { return model{store.Secrets: {}, store.Values: {}} }

func (m model) clone() model {
	c := model{}
	for b, keys := range m {
		c[b] = maps.Clone(keys)
	}
	return c
}

// A step is one operation: its changes and how it ends.
type step struct {
	changes []modelChange
	end     string // "ok", "error" or "panic"
}

type modelChange struct {
	bucket store.Bucket
	key    string
	size   int // of the value, in bytes
	fill   byte
	del    bool
}

func (c modelChange) value() string { return string(bytes.Repeat([]byte{c.fill}, c.size)) }

var (
	genBucket = rapid.SampledFrom([]store.Bucket{store.Secrets, store.Values})
	genKey    = rapid.StringMatching(`[a-d]{1,3}`)
	genChange = rapid.Custom(func(t *rapid.T) modelChange {
		return modelChange{
			bucket: genBucket.Draw(t, "bucket"),
			key:    genKey.Draw(t, "key"),
			size:   rapid.SampledFrom([]int{0, 1, 100, 2000, 9000}).Draw(t, "size"),
			fill:   rapid.SampledFrom([]byte("xy")).Draw(t, "fill"),
			del:    rapid.Bool().Draw(t, "del"),
		}
	})
	genStep = rapid.Custom(func(t *rapid.T) step {
		return step{
			changes: rapid.SliceOfN(genChange, 0, 20).Draw(t, "changes"),
			end:     rapid.SampledFrom([]string{"ok", "ok", "error", "panic"}).Draw(t, "end"),
		}
	})
)

func (s step) apply(m model) {
	for _, c := range s.changes {
		if c.del {
			delete(m[c.bucket], c.key)
		} else {
			m[c.bucket][c.key] = c.value()
		}
	}
}

// op does the step, checks its own view of the store half way, and ends as the
// step says.
func (s step) op(check func(store.Reader) error) func(*store.Tx) error {
	return func(tx *store.Tx) error {
		for _, c := range s.changes {
			if err := c.do(tx); err != nil {
				return err
			}
		}
		if err := check(tx); err != nil {
			return err
		}
		switch s.end {
		case "error":
			return errNo
		case "panic":
			panic(errNo)
		}
		return nil
	}
}

func (c modelChange) do(tx *store.Tx) error {
	if c.del {
		return tx.Delete(c.bucket, []byte(c.key))
	}
	return tx.Put(c.bucket, []byte(c.key), []byte(c.value()))
}

// diff compares all that a Reader can say with the model.
func diff(r store.Reader, m model, from string) string {
	for b, keys := range m {
		sorted := slices.Sorted(maps.Keys(keys))
		if d := diffScans(r, b, sorted, keys, from); d != "" {
			return string(b) + ": " + d
		}
		if v := r.Get(b, []byte(from)); (v != nil) != has(keys, from) || string(v) != keys[from] {
			return string(b) + ": Get differs"
		}
		last, _ := r.Last(b)
		if len(sorted) > 0 && string(last) != sorted[len(sorted)-1] || len(sorted) == 0 && last != nil {
			return string(b) + ": Last differs"
		}
	}
	return ""
}

func has(keys map[string]string, key string) bool { _, ok := keys[key]; return ok }

func diffScans(r store.Reader, b store.Bucket, sorted []string, keys map[string]string, from string) string {
	at, found := slices.BinarySearch(sorted, from)
	upTo := at
	if found {
		upTo++
	}
	backward := slices.Clone(sorted)
	slices.Reverse(backward)
	for _, scan := range []struct {
		name string
		do   func(store.Bucket, []byte, func(k, v []byte) (bool, error)) error
		from []byte
		want []string
	}{
		{"all", r.Scan, nil, sorted},
		{"from " + from, r.Scan, []byte(from), sorted[at:]},
		{"all back", r.ScanBack, nil, backward},
		{"back from " + from, r.ScanBack, []byte(from), backward[len(sorted)-upTo:]},
	} {
		var got []string
		err := scan.do(b, scan.from, func(k, v []byte) (bool, error) {
			got = append(got, string(k))
			if keys[string(k)] != string(v) {
				return false, errors.New("wrong value")
			}
			return true, nil
		})
		if err != nil || !slices.Equal(got, scan.want) {
			return scan.name + ": " + cmp.Diff(scan.want, got)
		}
	}
	return ""
}

// TestModel compares the store with a map: operations in shared commits, some
// of which fail, and reopening.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		cfg := store.Config{Path: filepath.Join(dir, "vault.db"), CheckPages: true}
		db, m := open(t, cfg), newModel()
		rt.Repeat(map[string]func(*rapid.T){
			"batch": func(rt *rapid.T) { runBatch(rt, t, db, m) },
			"reopen": func(rt *rapid.T) {
				close(t, db)
				db = open(t, cfg)
			},
			"": func(rt *rapid.T) { checkModel(rt, db, m) },
		})
		close(t, db)
	})
}

func runBatch(rt *rapid.T, t *testing.T, db *store.DB, m model) {
	steps := rapid.SliceOfN(genStep, 1, 5).Draw(rt, "steps")
	l := hold(t, db)
	for _, s := range steps {
		inside := m.clone()
		s.apply(inside)
		l.update(s.op(func(r store.Reader) error {
			if d := diff(r, inside, "b"); d != "" {
				return errors.New("inside an operation: " + d)
			}
			return nil
		}))
		if s.end == "ok" {
			s.apply(m)
		}
	}
	for i, err := range l.commit() {
		if ok := steps[i].end; (err == nil) != (ok == "ok") || ok == "error" && err != errNo {
			rt.Fatalf("operation %d that ends with %q: %v", i, ok, err)
		}
	}
}

func checkModel(rt *rapid.T, db *store.DB, m model) {
	from := rapid.StringMatching(`[a-e]{1,4}`).Draw(rt, "from")
	err := db.View(func(s *store.Snapshot) error {
		if d := diff(s, m, from); d != "" {
			return errors.New(d)
		}
		return nil
	})
	if err != nil {
		rt.Fatal(err)
	}
}
