// Package mask takes secret values out of a stream of output.
//
// The invariant: what a [Writer] passes on holds none of its values, wherever
// the writes were cut, and everything else byte for byte; it holds back only
// what may still become a value. The work is linear in the output, the memory
// in the values. A value is found
//
//   - as it is; each line of 16 bytes or more of a value with several lines also
//     by itself, but for the borders of PEM; with LF, CRLF and any indentation,
//   - in hex and in base64, in either case and alphabet, with or without padding,
//     wrapped into lines, as a part of a longer text, hex also with blanks or
//     colons between the bytes,
//   - percent-encoded, as in a path or in a query,
//   - escaped as in JSON, by \n, \/, \u00e9 or \x0a.
//
// It is an aid against accidents, not a boundary. Who can write the output can
// always say a value in a way that is not in this list: backwards, encoded
// twice, in pieces, by a cipher, or not in this stream. Values of fewer than
// [MinLength] bytes are not looked for, since they would tear up other text; see
// [TooShort]. Of base64 in which a value begins inside a character, that
// character stays. And what has begun like a value is passed on after a pause
// while it is at most half of [MinLength] bytes, so that prompts appear.
package mask
