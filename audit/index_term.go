package audit

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/agent-secret-store/assd/audit/chain"
)

const termLabel = "ass-trail-v1\n"

// maxDepth is how many parts of a namespace or an action are indexed: so an event has
// a bounded number of terms. What is asked for deeper is found under its beginning.
const maxDepth = 4

// term is a whole filter but for its times: 8 bytes of a hash of namespace, actor and
// action, each of which may be "". Two that meet by chance cost a look at events that
// do not match, and nothing else.
type term uint64

// makeTerm expects an actor that is folded, and a namespace and action that are cut.
func makeTerm(namespace, actor, action string) term {
	b := make([]byte, 0, 256)
	b = append(b, termLabel...)
	for _, part := range [...]string{namespace, actor, action} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(part)))
		b = append(b, part...)
	}
	h := sha256.Sum256(b)
	return term(binary.BigEndian.Uint64(h[:]))
}

// term is the one under which all that matches f is indexed; ok is false where that
// would be everything.
func (f Filter) term() (t term, ok bool) {
	if f.TimeOnly() {
		return 0, false
	}
	return makeTerm(cut(f.Namespace, '/'), chain.Fold(f.Actor), cut(f.Action, '.')), true
}

// coarse is the term under which all that matches f is in a stretch that keeps few
// terms; f has one.
func (f Filter) coarse() term {
	if f.Namespace == "" {
		return makeTerm("", chain.Fold(f.Actor), cut(f.Action, '.'))
	}
	return makeTerm(cut(f.Namespace, '/'), "", "")
}

// facets are what an event is found by.
type facets struct{ namespace, id, name, action []byte }

func facetsOf(e *Event) facets {
	return facets{[]byte(e.Namespace), []byte(e.Actor.ID), []byte(e.Actor.Name), []byte(e.Action)}
}

// append writes them so that other facets are written otherwise.
func (f *facets) append(b []byte) []byte {
	for _, part := range [...][]byte{f.namespace, f.id, f.name, f.action} {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	return b
}

// terms are those of all filters that match f, each once.
func (f facets) terms() []term { return f.termsBut(func(bool, bool) bool { return false }) }

// coarse are those that a stretch with too many keeps: of a namespace alone, and of
// actors and actions anywhere, of which nobody can make many.
func (f facets) coarse() []term {
	return f.termsBut(func(placed, said bool) bool { return placed && said })
}

// termsBut are the terms, save those that are left out: placed says that one has a
// namespace, said that it has an actor or an action.
func (f facets) termsBut(out func(placed, said bool) bool) (all []term) {
	actors := []string{""}
	id, name := chain.Fold(string(f.id)), chain.Fold(string(f.name))
	if id != "" {
		actors = append(actors, id)
	}
	if name != "" && name != id {
		actors = append(actors, name)
	}
	actions := beginnings(string(f.action), '.')
	for _, namespace := range beginnings(string(f.namespace), '/') {
		for _, actor := range actors {
			for _, action := range actions {
				placed, said := namespace != "", actor != "" || action != ""
				if (placed || said) && !out(placed, said) {
					all = append(all, makeTerm(namespace, actor, action))
				}
			}
		}
	}
	return all
}

// beginnings are "" and the beginnings of s at sep, up to s or maxDepth parts of it.
func beginnings(s string, sep byte) []string {
	all := []string{""}
	for i := range len(s) {
		if s[i] == sep && i > 0 && len(all) <= maxDepth {
			all = append(all, s[:i])
		}
	}
	if s != "" && len(all) <= maxDepth {
		all = append(all, s)
	}
	return all
}

// cut is s, or the longest of its beginnings that is indexed.
func cut(s string, sep byte) string {
	all := beginnings(s, sep)
	return all[len(all)-1]
}
