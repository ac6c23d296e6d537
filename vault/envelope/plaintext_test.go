package envelope_test

import (
	"bytes"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/vault/envelope"
)

const secret = "SECRET-THAT-MUST-NOT-LEAK"

// holder has plaintext in unexported fields, where fmt calls no method of it.
type holder struct {
	p   envelope.Plaintext
	ptr *envelope.Plaintext
	pay envelope.Payload
	any any
}

func TestPlaintextDoesNotPrint(t *testing.T) {
	p := envelope.NewPlaintext([]byte(secret))
	pay := envelope.Payload{Value: p, Metadata: []byte(secret)}
	outer := holder{p: p, ptr: &p, pay: envelope.Payload{Value: p}, any: p}
	for _, v := range []any{p, &p, pay, &pay, outer, &outer, []any{p}, map[string]envelope.Plaintext{"k": p}, fmt.Errorf("x: %v", p)} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o"} {
			noLeak(t, fmt.Sprintf("%T as %s", v, verb), fmt.Sprintf(verb, v))
		}
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("m", "v", v)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "v", v)
		noLeak(t, fmt.Sprintf("%T in slog", v), log.String())
	}
	for _, v := range []any{p, &p, pay} {
		logsRedacted(t, v)
		if got := fmt.Sprintf("%v %s %#v %d", v, v, v, v); got != strings.Repeat(" [REDACTED]", 4)[1:] {
			t.Errorf("%T prints as %s", v, got)
		}
	}
	if got := p.String() + p.GoString(); got != "[REDACTED][REDACTED]" {
		t.Error(got)
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

func noLeak(t *testing.T, where, got string) {
	t.Helper()
	head := []byte(secret[:8])
	decimals := strings.Trim(fmt.Sprint(head), "[]")
	hexes := strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", head), "[]byte{"), "}")
	for _, form := range []string{string(head), hex.EncodeToString(head), decimals, hexes, "U0VDUkVU"} {
		if strings.Contains(strings.ToLower(got), strings.ToLower(form)) {
			t.Errorf("%s leaks: %s", where, got)
		}
	}
}

func TestPlaintextDoesNotMarshal(t *testing.T) {
	p := envelope.NewPlaintext([]byte(secret))
	for _, v := range []any{p, &p, envelope.Payload{Value: p}, map[string]any{"k": p}} {
		if b, err := json.Marshal(v); err == nil {
			t.Errorf("%T as JSON: %s", v, b)
		}
	}
	for _, v := range []any{p, &p, envelope.Payload{Value: p}} {
		if err := gob.NewEncoder(new(bytes.Buffer)).Encode(v); err == nil {
			t.Errorf("%T as gob", v)
		}
	}
	for name, f := range map[string]func() ([]byte, error){
		"MarshalJSON": p.MarshalJSON, "MarshalText": p.MarshalText, "GobEncode": p.GobEncode,
	} {
		if b, err := f(); err == nil {
			t.Errorf("%s gives %s", name, b)
		}
	}
}

func TestPlaintextDoesNotCompare(t *testing.T) {
	if reflect.TypeFor[envelope.Plaintext]().Comparable() {
		t.Error("plaintext can be compared with ==")
	}
}

func TestWipe(t *testing.T) {
	b := []byte(secret)
	p := envelope.NewPlaintext(b)
	copied := p
	if string(p.Reveal()) != secret {
		t.Fatal("Reveal gave something else")
	}
	p.Wipe()
	p.Wipe()
	if !bytes.Equal(b, make([]byte, len(secret))) {
		t.Error("bytes are still there")
	}
	if copied.Reveal() != nil {
		t.Error("a copy still reveals")
	}
}

func TestWipeOfAPayload(t *testing.T) {
	b, meta := []byte(secret), []byte(secret)
	envelope.Payload{Value: envelope.NewPlaintext(b), Metadata: meta}.Wipe()
	if zero := make([]byte, len(secret)); !bytes.Equal(b, zero) || !bytes.Equal(meta, zero) {
		t.Error("bytes are still there")
	}
}

func TestZeroPlaintext(t *testing.T) {
	var p envelope.Plaintext
	p.Wipe()
	if p.Reveal() != nil {
		t.Error("reveals something")
	}
}
