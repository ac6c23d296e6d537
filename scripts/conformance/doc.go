// Package conformance drives the published npm clients, as they are, against a
// real assd over TLS: the command line, the SDK and the MCP server, each 1.0.0.
//
// The invariant: the clients are the ones that were published, byte for byte,
// and what they meet is the assd of bin/ as anyone starts it. Facts are judged,
// never looks: values, names, exit codes, events in the trail. The package has
// no code of its own, and its test does nothing without -npm, which installs
// packages into a temporary folder and needs Node.
package conformance
