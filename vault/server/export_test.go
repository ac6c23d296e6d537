package server

// DecodeBytes is the strict decoder, for its fuzz target.
func DecodeBytes[T any](b []byte) (T, error) { return decodeBytes[T](b) }

// MaxConns is how many connections the socket takes at once.
var MaxConns, _ = room()
