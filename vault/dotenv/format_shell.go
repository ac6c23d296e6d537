package dotenv

import (
	"cmp"
	"slices"
	"strings"
)

// shellOwn are variables that bash or dash sets itself or keeps others from setting.
var shellOwn = strings.Fields(`_ UID EUID PPID GROUPS RANDOM SRANDOM SECONDS EPOCHREALTIME EPOCHSECONDS LINENO HISTCMD SHLVL
	DIRSTACK FUNCNAME PIPESTATUS OPTIND BASHOPTS SHELLOPTS BASHPID BASH_ALIASES BASH_ARGC BASH_ARGV BASH_CMDS BASH_COMMAND
	BASH_LINENO BASH_SOURCE BASH_SUBSHELL BASH_VERSINFO`)

// unfitShell: a name has to be that of a variable, and one that a shell leaves alone.
func unfitShell(p Pair) string {
	switch {
	case !isVariable(p.Name):
		return "the name is no shell variable's"
	case slices.Contains(shellOwn, p.Name):
		return "a shell keeps that variable to itself"
	}
	return cmp.Or(p.unfitName(), p.unfitText())
}

// addShell adds a command of a POSIX shell. Between single quotes all is literal but
// the quote.
func addShell(dst []byte, p Pair) []byte {
	dst = append(append(append(dst, "export "...), p.Name...), "='"...)
	for _, c := range p.Value {
		if c == '\'' {
			dst = append(dst, `'\''`...)
		} else {
			dst = append(dst, c)
		}
	}
	return append(dst, "'\n"...)
}

// isVariable reports whether a shell takes name as that of a variable.
func isVariable(name string) bool {
	return isName(name) && !strings.ContainsAny(name, ".-") && (name[0] < '0' || name[0] > '9')
}
