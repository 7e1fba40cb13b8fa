// Package links looks whether the links of Markdown files lead somewhere: relative ones to a
// file or directory that is there, and those with a fragment to a heading of it. Addresses in
// the network are not asked for.
//
// Its test holds all pages of the repository to that; make verify-links runs it.
package links
