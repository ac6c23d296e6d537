// Package deptest holds the tests of the house rules: which package may import
// which, where a program may end itself, and that every package says in one
// place what it is for. It has no code of its own.
package deptest
