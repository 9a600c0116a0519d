//go:build js

package hotpath

import (
	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/objectdb"
	"github.com/echospace/echospace/core/wire"
)

// What esUndo does.
const (
	undoBack   = 0 // undo
	undoAgain  = 1 // redo
	undoTask   = 2 // end a task: see objectdb.EndTask
	undoStep   = 3 // end a step
	undoClear  = 4
	undoWindow = 5 // set the capture window to n milliseconds
)

// esUndo does something to the undo stack. It gives 1 or 0 for whether something was
// undone or redone, else a number that is another when esUndoState gives something
// else than before.
//
//go:wasmexport es_undo
func esUndo(handle, what, n int32) (out int32) {
	status := result(func() ([]byte, error) {
		sp, err := space(handle)
		if err != nil {
			return nil, err
		}
		out, err = changeUndo(sp, what, n)
		return nil, err
	})
	if status < 0 {
		return status
	}
	return out
}

func changeUndo(sp *client.Space, what, n int32) (out int32, err error) {
	if what == undoBack || what == undoAgain {
		revert := sp.Undo
		if what == undoAgain {
			revert = sp.Redo
		}
		done, err := revert()
		if done {
			out = 1
		}
		return out, err
	}
	if what == undoClear {
		if err := sp.ClearUndo(); err != nil {
			return 0, err
		}
	}
	err = sp.Objects(op, func(db *objectdb.DB) error {
		switch what {
		case undoTask:
			db.EndTask()
		case undoStep:
			db.EndStep()
		case undoWindow:
			db.SetCaptureWindow(int64(n))
		}
		out = int32(db.UndoVersion() & 0x7fffffff)
		return nil
	})
	return out, err
}

// esUndoState tells what can be undone and redone: [undo, redo, message str, time,
// message str, time], with the numbers of steps, and of the next to undo and to redo
// what it says of itself and when it was done.
//
//go:wasmexport es_undo_state
func esUndoState(handle int32) int32 {
	return result(func() (out []byte, err error) {
		sp, err := space(handle)
		if err != nil {
			return nil, err
		}
		err = sp.Objects(op, func(db *objectdb.DB) error {
			s := db.UndoState()
			out = wire.AppendArray(nil, 6)
			out = wire.AppendUint(out, uint64(s.Undo))
			out = wire.AppendUint(out, uint64(s.Redo))
			for _, step := range []objectdb.UndoStep{s.NextUndo, s.NextRedo} {
				out = wire.AppendString(out, step.Message)
				out = wire.AppendInt(out, step.Time)
			}
			return nil
		})
		return out, err
	})
}
