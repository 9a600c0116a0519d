package space

import "github.com/echospace/echospace/core/objectdb"

// CutUndo gives what of the undo stack is to be stored in the batch of in, own data
// blocks that Build gave, or by itself if in is nil.
func (s *Space) CutUndo(in *Intake) []objectdb.UndoRecord {
	var written []objectdb.WrittenBurst
	if in != nil {
		for _, w := range in.bursts {
			written = append(written, objectdb.WrittenBurst{Burst: w.burst, Ref: w.at.Ref()})
		}
	}
	return s.db.CutUndo(written...)
}
