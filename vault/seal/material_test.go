package seal_test

import (
	"bytes"
	"encoding/base64"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/vault/seal"
)

// holder has the key in unexported fields, where fmt calls no method of it.
type holder struct {
	ptr *seal.FileKey
	val seal.FileKey
	any any
}

// knownKey returns a key file's key and its 32 bytes.
func knownKey(t *testing.T) (*seal.FileKey, []byte) {
	t.Helper()
	raw := []byte("KEY-BYTES-THAT-MUST-NOT-LEAK-OUT")
	path := filepath.Join(t.TempDir(), "key")
	line := "assd-key-1:" + base64.RawURLEncoding.EncodeToString(raw) + "\n"
	if err := os.WriteFile(path, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	key, err := seal.ReadKeyFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return key, raw
}

func TestKeysDoNotPrint(t *testing.T) {
	key, raw := knownKey(t)
	// The key by value, unexported and inside an interface: nothing may follow it.
	outer := holder{ptr: key, val: *key, any: *key}
	for _, v := range []any{key, *key, outer, &outer, []any{*key}, map[string]any{"k": key}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			noLeak(t, fmt.Sprintf("%T as %s", v, verb), fmt.Sprintf(verb, v), raw)
		}
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("m", "v", v)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "v", v)
		noLeak(t, fmt.Sprintf("%T in slog", v), log.String(), raw)
	}
	for _, v := range []any{key, *key, seal.NewRootKey()} {
		logsRedacted(t, v)
		if got := fmt.Sprintf("%v %s %#v %d", v, v, v, v); got != strings.Repeat(" [REDACTED]", 4)[1:] {
			t.Errorf("%T prints as %s", v, got)
		}
	}
}

func logsRedacted(t *testing.T, v any) {
	t.Helper()
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "v", v)
	if !strings.Contains(log.String(), `"v":"[REDACTED]"`) {
		t.Errorf("%T logs as %s", v, log.String())
	}
}

func noLeak(t *testing.T, where, got string, raw []byte) {
	t.Helper()
	decimals := strings.Trim(fmt.Sprint(raw[:8]), "[]")
	hexes := strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", raw[:8]), "[]byte{"), "}")
	for _, form := range []string{string(raw[:8]), hex.EncodeToString(raw[:8]), decimals, hexes} {
		if strings.Contains(got, form) {
			t.Errorf("%s leaks: %s", where, got)
		}
	}
}

func TestKeysDoNotMarshal(t *testing.T) {
	key, _ := knownKey(t)
	for _, v := range []any{key, *key, seal.NewRootKey(), struct{ K *seal.FileKey }{key}} {
		if b, err := json.Marshal(v); err == nil {
			t.Errorf("%T as JSON: %s", v, b)
		}
		if err := gob.NewEncoder(new(bytes.Buffer)).Encode(v); err == nil {
			t.Errorf("%T as gob", v)
		}
	}
	for name, f := range map[string]func() ([]byte, error){
		"MarshalJSON": key.MarshalJSON, "MarshalText": key.MarshalText, "GobEncode": key.GobEncode,
	} {
		if b, err := f(); err == nil {
			t.Errorf("%s gives %s", name, b)
		}
	}
}

func TestKeysDoNotCompare(t *testing.T) {
	for _, v := range []any{seal.RootKey{}, seal.FileKey{}} {
		if reflect.TypeOf(v).Comparable() {
			t.Errorf("%T can be compared with ==", v)
		}
	}
}
