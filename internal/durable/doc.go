// Package durable makes the names in a folder durable: a file that was made, renamed or
// removed there is so after a power cut too.
//
// What is in the files is not its affair: whoever writes one syncs it first. On systems
// where a folder cannot be synced there is nothing to do.
package durable
