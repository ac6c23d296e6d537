// Package dotenv reads .env text, and prints values in the forms of an export.
//
// What it guarantees: Parse takes a text whole or refuses it, naming the line;
// nothing in it is ever expanded, run, guessed or silently replaced by a later
// line; no error repeats any of the text; time and memory grow with the text,
// which is bounded. Print carries all that it is given, to the byte, or names what a
// format cannot carry.
//
// The text is UTF-8, with or without a byte order mark, its lines ended by LF or
// CRLF, which inside quotes means LF. A line is blank, a comment that begins with
// #, or
//
//	[export] NAME=VALUE [# comment]
//
// with blanks (spaces and tabs) anywhere between these. A name is of the
// characters A-Z a-z 0-9 _ . - and stands once in a text. A value is
//
//   - bare: up to the end of the line or a # behind a blank, without the blanks
//     round it. All in it is literal.
//   - 'in single quotes': literal up to the next one, over several lines if need be.
//   - "in double quotes": the same, but \n \r \t \" \\ and \$ are escapes. Other
//     backslashes stand for themselves.
//
// Behind a closing quote there is nothing but a comment. $ and ` are nothing
// special anywhere.
//
// Why not a library: github.com/joho/godotenv 1.5.1 expands $ and keeps the last
// of two equal names; github.com/hashicorp/go-envparse 0.1.0 keeps the last too,
// and a value of it ends with its line.
//
// What it will not do: say what a name may be beyond its characters, or read
// files.
package dotenv
