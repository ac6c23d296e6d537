// Command ass stores and reads secrets in a vault that assd keeps.
//
// The answer goes to stdout, everything else to stderr, prompts to the
// terminal. No error, help text or log of it holds a secret value or a key,
// and no error repeats an argument, which may be one. A key from ~/.assrc goes
// to the daemon stored beside it and nowhere else.
package main

import "os"

// version is set by the linker: -X main.version=1.2.3.
var version = "1.0.0"

func main() {
	os.Exit(run(os.Args[1:]))
}
