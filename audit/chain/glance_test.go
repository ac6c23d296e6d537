package chain_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/audit/chain"
)

// full is an event with each member that there is, as the daemon writes it.
const full = `{"id":"evt_1","time":"2026-03-14T13:00:00.123Z","actor":{"id":"own_x","kind":"owner","name":"Will é"},"action":"secret.write","outcome":"ok","namespace":"a/b","key":"K","version":12,"subject":{"id":"agt_1","name":"bot"},"reason":"because","source":{"uid":0,"pid":10,"ip":"::1","exe":"/usr/bin/ass"},"request_id":"req_1","client_request_id":"x","approval_id":"apr_1","token_id":"tok_1","count":3,"clock":"2026-03-14T13:00:00.122Z","vault":{"tenant":"ten_1","verify_key":"ed25519:AA==","epoch":1},"records":{"agents/A":"x@1","agents/a":"y"},"anchor":"abc"}`

// least is one with no more than each has to have.
const least = `{"id":"e","time":"2026-03-14T13:00:00.000Z","actor":{"id":"","kind":"k","name":""},"action":"a","outcome":"o"}`

// seeds of events: good ones, and some that two readers may take for different ones.
var glances = []string{
	full, least,
	strings.Replace(full, `"key":"K"`, `"namespace":"other","key":"K"`, 1),
	strings.Replace(full, `"key":"K"`, `"key":"K","NameSpace":"other"`, 1),
	strings.Replace(full, `"key":"K"`, `"key":"K","name\u0073pace":"other"`, 1),
	strings.Replace(full, `"anchor"`, `"record\u017f":{"a":"b"},"anchor"`, 1), // a long s
	strings.Replace(full, `"anchor":`, `"action":"secret.read","anchor":`, 1),
	strings.Replace(full, `"anchor":`, `"actor":{"id":"own_y"},"anchor":`, 1),
	strings.Replace(full, `"agents/a":"y"`, `"agents/A":"y"`, 1),
	strings.Replace(full, `"agents/a":"y"`, `"agents/A":"y","agents/A":"z"`, 1),
	strings.Replace(full, `"kind":"owner"`, `"kind":"owner","Kind":"agent"`, 1),
	strings.Replace(full, `"pid":10`, `"pid":010`, 1),
	strings.Replace(full, `,"records":{"agents/A":"x@1","agents/a":"y"}`, `,"records":{}`, 1),
	strings.Replace(full, `"because"`, `"\"records\":"`, 1),
	strings.Replace(full, `13:00:00.123Z`, `13:00:00,123Z`, 1),
	full + " ", full[:len(full)-1], strings.Replace(full, `Will`, "Wi\xffl", 1), strings.Replace(full, `Will`, "Wi\x01l", 1),
}

// sameGlance reports whether they say the same; of nil and of nothing is the same.
func sameGlance(a, b chain.Glance) bool {
	if a.Time != b.Time || a.Records != b.Records {
		return false
	}
	for _, p := range [][2][]byte{{a.Actor, b.Actor}, {a.Name, b.Name}, {a.Action, b.Action}, {a.Outcome, b.Outcome}, {a.Namespace, b.Namespace}} {
		if !bytes.Equal(p[0], p[1]) {
			return false
		}
	}
	return true
}

// shown is what encoding/json alone makes of an event, as whoever reads the trail does.
func shown(event []byte) (g chain.Glance, ok bool) {
	var e struct {
		ID, Time, Action, Outcome, Namespace string
		Actor                                struct{ ID, Kind, Name string }
		Records                              json.RawMessage
	}
	if json.Unmarshal(event, &e) != nil {
		return g, false
	}
	copy(g.Time[:], e.Time)
	g.Actor, g.Name, g.Action = []byte(e.Actor.ID), []byte(e.Actor.Name), []byte(e.Action)
	g.Outcome, g.Namespace, g.Records = []byte(e.Outcome), []byte(e.Namespace), e.Records != nil
	return g, true
}

// agree fails where the two ways, or encoding/json, see different things in an event.
func agree(t interface{ Errorf(string, ...any) }, event []byte) (quick, slow bool) {
	q, quick := chain.Quick(event)
	s, err := chain.Slow(event)
	j, read := shown(event)
	switch {
	case quick && err != nil:
		t.Errorf("%q: read the short way, and the other: %v", event, err)
	case quick && !sameGlance(q, s):
		t.Errorf("%q: the short way sees %+v, and the other %+v", event, q, s)
	case err == nil && (!read || !sameGlance(s, j)):
		t.Errorf("%q: seen as %+v, and shown as %+v", event, s, j)
	}
	return quick, err == nil
}

func TestGlanceAgrees(t *testing.T) {
	for i, e := range glances {
		quick, slow := agree(t, []byte(e))
		if whole := i < 2; quick != whole && i != 12 || whole && !slow {
			t.Errorf("%s: short %v, other %v", e, quick, slow)
		}
	}
	if g, ok := chain.Quick([]byte(full)); !ok || !g.Records || string(g.Name) != "Will é" || string(g.Namespace) != "a/b" || !g.OK() {
		t.Errorf("%v, %+v", ok, g)
	}
}

// What comes twice is refused, in whatever way it is written: of two, one reader shows
// the first and another the last.
func TestGlanceRefusesWhatComesTwice(t *testing.T) {
	for name, event := range map[string]string{
		"namespace":           glances[2],
		"in other case":       glances[3],
		"escaped":             glances[4],
		"by another letter":   glances[5],
		"action":              glances[6],
		"actor":               glances[7],
		"a record":            glances[9],
		"in the actor":        glances[10],
		"not known":           strings.Replace(full, `"anchor"`, `"new":1,"NEW":2,"anchor"`, 1),
		"in something new":    strings.Replace(full, `"anchor"`, `"new":[{"a":1,"a":2}],"anchor"`, 1),
		"first, and not last": `{"action":"a",` + full[1:],
	} {
		if _, ok := chain.Quick([]byte(event)); ok {
			t.Errorf("%s: read the short way", name)
		}
		if g, err := chain.Slow([]byte(event)); err == nil || !strings.Contains(err.Error(), "comes twice") {
			t.Errorf("%s: %+v, %v", name, g, err)
		}
	}
	if _, err := chain.Slow([]byte(strings.Replace(full, `"anchor"`, `"new":{"a":1},"newer":[{"a":1},{"a":2}],"anchor"`, 1))); err != nil {
		t.Errorf("what comes once in each of several: %v", err)
	}
	m := &maker{key: seeded(1), head: chain.Head{Epoch: 1}}
	m.event("vault.init", names(publicOf(m.key), 1))
	m.event("secret.read", `,"namespace":"a","namespace":"b"`)
	m.sign()
	if _, bad := walk(m.lines); bad == nil || bad.Seq != 2 || bad.Problem != `changed: decoding event: its member "namespace" comes twice` {
		t.Errorf("a walk says %v", bad)
	}
}

// The members of events, in any order, once or more often, with anything in them.
func TestGlanceAgreesOnAnything(t *testing.T) {
	members := []string{
		`"id":"evt_1"`, `"time":"2026-03-14T13:00:00.123Z"`, `"time":"0001-01-01T00:00:00.000Z"`, `"actor":{"id":"a","kind":"k","name":"n"}`,
		`"actor":{"id":"a","kind":"k","name":"n","id":"b"}`, `"action":"a.b"`, `"outcome":"ok"`, `"namespace":"x"`, `"namespace":""`, `"Namespace":"y"`,
		`"namespace":"é"`, `"namespace":"\u0041"`, `"namespace":null`, `"key":"K"`, `"version":1`, `"version":0`, `"version":-1`, `"version":1e3`, `"subject":{}`,
		`"subject":{"name":"n","id":"i"}`, `"source":{"uid":0,"exe":"e"}`, `"reason":"r"`, `"reason":"q\""`, `"records":{}`, `"records":null`,
		`"records":{"b":"1","a":"2"}`, `"records":{"a":"1","b":"2"}`, `"records":{"a":1}`, `"anchor":"z"`, `"anchor":[1,{"a":null}]`, `"other":true`,
	}
	quick, slow := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		order := []string{members[0], members[1], members[3], members[5], members[6]}
		if rapid.Bool().Draw(t, "shuffled") {
			order = rapid.Permutation(order).Draw(t, "order")
		}
		more := rapid.SliceOfN(rapid.SampledFrom(members), 0, 4).Draw(t, "more")
		at := len(order)
		if rapid.Bool().Draw(t, "anywhere") {
			at = rapid.IntRange(0, len(order)).Draw(t, "at")
		}
		all := append(append(append([]string{}, order[:at]...), more...), order[at:]...)
		q, s := agree(t, []byte("{"+strings.Join(all, ",")+"}"))
		if q {
			quick++
		}
		if s {
			slow++
		}
	})
	if quick == 0 || slow <= quick {
		t.Errorf("%d are read the short way, %d the other: this tests nothing", quick, slow)
	}
}

// One byte of a full event is anything else.
func TestGlanceAgreesOnChangedBytes(t *testing.T) {
	for i := range full {
		for _, c := range []byte{0, ' ', '"', '\\', ',', '}', '{', ':', '0', 'A', 'z', 0x80, full[i] ^ 0x20} {
			event := []byte(full)
			event[i] = c
			agree(t, event)
		}
	}
}

func FuzzGlance(f *testing.F) {
	for _, e := range glances {
		f.Add([]byte(e))
	}
	f.Fuzz(func(t *testing.T, event []byte) { agree(t, event) })
}

func TestPlain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.OneOf(rapid.ByteRange('a', 'z'), rapid.SampledFrom([]byte{0x1f, ' ', '\\', '[', ']', 0x7f, 0xc3, 0xa9, 0xff})), 0, 40).Draw(t, "b")
		want := utf8.Valid(b) && !bytes.ContainsFunc(b, func(r rune) bool { return r < ' ' || r == '\\' })
		if chain.Plain(b) != want {
			t.Errorf("%q: %v", b, !want)
		}
	})
}

// The short way knows each member that the daemon may write, in its order.
func TestGlanceKnowsAllMembers(t *testing.T) {
	uid, at := 0, audit.Time{Time: time.Date(2026, 3, 14, 13, 0, 0, 0, time.UTC)}
	e := audit.Event{
		ID: "evt_1", Time: at, Actor: audit.Actor{ID: "own_x", Kind: "owner", Name: "will"}, Action: audit.SecretRead, Outcome: audit.OK,
		Namespace: "a", Key: "K", Version: 1, Subject: &audit.Subject{ID: "i", Name: "n"}, Reason: "r",
		Source: &audit.Source{UID: &uid, PID: 1, IP: "::1", Exe: "/e"}, RequestID: "r", ClientRef: "c", Approval: "a", TokenID: "t", Count: 1,
		Clock: &at, Vault: &audit.Birth{Tenant: "t", VerifyKey: "k", Epoch: 1}, Records: map[string]string{"b": "x", "a": "y"}, Anchor: "z",
	}
	for _, v := range []reflect.Value{reflect.ValueOf(e), reflect.ValueOf(*e.Subject), reflect.ValueOf(*e.Source), reflect.ValueOf(*e.Vault)} {
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				t.Errorf("this test says nothing of %s.%s", v.Type(), v.Type().Field(i).Name)
			}
		}
	}
	b, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	if quick, slow := agree(t, b); !quick || !slow {
		t.Errorf("%s: short %v, other %v", b, quick, slow)
	}
}
