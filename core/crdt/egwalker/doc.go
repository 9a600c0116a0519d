// Package egwalker merges concurrent edits of a sequence: the elements of a
// list, the UTF-16 code units of a text. It holds no elements, only where they
// were put and taken away; what it gives are the edits to make to the sequence
// as it is.
//
// The algorithm is Eg-walker (Gentle and Kleppmann, "Collaborative Text Editing
// with Eg-walker: Better, Faster, Smaller", EuroSys 2025, arXiv 2409.14252).
// The order of concurrent inserts is that of FugueMax (Weidner and Kleppmann,
// "The Art of the Fugue", arXiv 2305.00583), which does not interleave runs.
//
//   - Sequence is the history of one sequence: events, each a burst of ops of
//     one writer that follows its parents. Ops have the positions that their
//     writer saw.
//   - An op may insert a boundary, an element that keeps to its neighbour: in the
//     tree of Fugue it is the first right child of the one in front of it, or the
//     last left child of the one behind. Positions count boundaries as elements.
//   - Append adds an event that follows everything: its ops are the edits.
//   - Merge adds any other event and gives the edits that its ops come to.
//
// An event that follows everything costs nothing but its row, whatever came
// before. Only what is concurrent is replayed: from the last critical version on,
// the last events which all of it follows, in a state (walker) that is kept while
// the concurrency lasts and for some events behind it, and that begins anew at a
// later critical version once it has become long.
//
// Sequences that hold the same events come to the same result, in whatever
// causally valid order these came, as long as writers put a boundary directly
// beside the element that it is to keep to, or among others of its kind there,
// and nothing between; and take none away. A replay knows what is a boundary only
// of what was inserted since its base. Nothing here is safe for concurrent use.
package egwalker
