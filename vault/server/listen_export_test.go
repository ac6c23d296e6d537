package server

// CannotListen is the error of an address that cannot be had.
func CannotListen(addr string, err error) error { return cannotListen(addr, err) }
