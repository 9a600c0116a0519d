package space

import (
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/objectdb"
)

// opened is the change that was opened last, until all of it is taken in.
type opened struct {
	feed    *feedState
	of      feed.Ref
	pieces  [][]byte        // of its first blocks
	payload []byte          // nil while there are further blocks
	control *controlReading // of the payload, once it is begun
}

// bigPayload is from what size on opening and applying a change are looked at as two
// pieces of work.
const bigPayload = 16 << 10

// openChange opens a change block by block, until enough; done tells that it is in
// s.opened.
func (s *Space) openChange(f *feedState, at feed.Ref, change []*feed.Block, key keys.Secret, enough func() bool) (done bool, err error) {
	o := &s.opened
	if len(change) == 1 && o.of != at {
		payload, err := feed.OpenParts(change, key)
		*o = opened{feed: f, of: at, payload: payload}
		return err == nil && (enough == nil || len(payload) < bigPayload || !enough()), err
	}
	if o.of != at {
		if n, err := feed.Group(change); err != nil || n != len(change) {
			_, err := feed.OpenParts(change, key) // says what is wrong
			return false, err
		}
		*o = opened{feed: f, of: at}
	}
	if o.payload != nil {
		return true, nil
	}
	size := 0
	for len(o.pieces) < len(change) {
		piece, err := change[len(o.pieces)].Open(key)
		if err != nil {
			return false, err
		}
		o.pieces = append(o.pieces, piece)
		size += len(piece)
		if enough != nil && size >= bigPayload && enough() {
			return false, nil
		}
	}
	o.payload, o.pieces = feed.Join(o.pieces), nil
	return true, nil
}

// applyData applies the data change that is opened.
func (s *Space) applyData(f *feedState, at objectdb.Block, enough func() bool) (Effects, applyState) {
	at.Payload = s.opened.payload
	done, err := true, error(nil)
	if enough == nil {
		err = s.db.Apply(at)
	} else {
		done, err = s.db.ApplySome(at, enough)
	}
	if err != nil {
		s.leaveOut(f, at, err)
		return Effects{}, applyDone
	}
	if !done {
		return Effects{}, applyStopped
	}
	s.opened = opened{}
	return Effects{Objects: true}, applyDone
}
