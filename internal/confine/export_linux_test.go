package confine

// Lacking is what is said of a kernel with this version of Landlock.
func Lacking(abi int, signalsFixed bool) string { return join(lacking(abi, signalsFixed)) }
