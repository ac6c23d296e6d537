package chain

// Quick is what is seen of an event by the short way; ok is false where that refuses it.
func Quick(event []byte) (g Glance, ok bool) {
	ok = g.quick(event, Time{})
	return g, ok
}

// Slow is what is seen of it with encoding/json.
func Slow(event []byte) (g Glance, err error) {
	err = g.slow(event)
	return g, err
}

// Plain reports whether b has no backslash and no control character, and is UTF-8.
func Plain(b []byte) bool { return plain(b) }
