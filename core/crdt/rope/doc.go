// Package rope holds texts whose positions are UTF-16 code units, as JavaScript
// counts them, in UTF-8, as everything else stores them.
//
// Store holds any number of texts, each a B+ tree of pieces of at most 1 KiB, so
// that an edit costs the logarithm of the length wherever it is; a short text
// is one piece and no more. Edits next to the last one find their piece at once.
//
// Half of a surrogate pair, which an honest writer never makes, is held as the
// three bytes that UTF-8 would have for it (WTF-8), so that every edit that
// fits a text can be made. ValidPosition tells where no pair would be cut.
//
// State is flat: pieces, nodes and texts are rows of columns, the characters
// lie in slabs of three sizes. Nothing here is safe for concurrent use.
package rope
