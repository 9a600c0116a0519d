//go:build js

package bind

import (
	"context"
	"math"

	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/objectdb"
	"github.com/echospace/echospace/core/space"
	"github.com/echospace/echospace/core/wire"
	"github.com/echospace/echospace/jsbridge/hotpath"
	"github.com/echospace/echospace/jsbridge/jsval"
)

// bindPast binds what a page asks about the past of a space. Each question and
// each answer crosses as one Uint8Array in the encoding of package wire:
//
//	version(): Promise<bytes>          objectdb.Version.Encode
//	at(version): Promise<number>       a handle for the exports of hotpath that read
//	releasePast(handle)                gives it back; it may be called again
//	history([object bin16|nil, limit, block bin32|nil, index]): Promise<bytes>
//	                                   [[block ref, index, time, message, author,
//	                                   [[object bin16, kind, [[key str...]...]]...]]...]
//	diff(a, b): Promise<bytes>         objectdb.Difference.Append
//	restoreTo([version bin, message str, ids bin|nil]): Promise<boolean>
//	blame(text: number): Promise<bytes> [[length, time, block ref, author]...]
//
// A block ref is [feed bin32, seq, hash bin32]; alone it is the version right
// after the block. An author is [device bin32, identity bin32, name str].
func (bc *boundClient) bindPast(v safejs.Value, sp *client.Space) {
	bc.async(v, "version", func(ctx context.Context, _ arguments) (any, error) {
		version, err := sp.Version(ctx)
		return version.Encode(), err
	})
	bc.async(v, "at", func(ctx context.Context, args arguments) (any, error) {
		version, err := args.version(0)
		if err != nil {
			return nil, err
		}
		db, err := sp.At(ctx, version)
		if err != nil {
			return nil, err
		}
		return hotpath.RegisterPast(db), nil
	})
	bc.method(v, "releasePast", func(args arguments) (any, error) {
		if n, err := args.at(0).Int(); err == nil {
			hotpath.ReleasePast(n)
		}
		return nil, nil
	})
	bc.async(v, "history", func(ctx context.Context, args arguments) (any, error) {
		q, err := args.historyQuery()
		if err != nil {
			return nil, err
		}
		list, err := sp.History(ctx, q)
		return appendHistory(nil, list), err
	})
	bc.async(v, "diff", func(ctx context.Context, args arguments) (any, error) {
		a, err := args.version(0)
		if err != nil {
			return nil, err
		}
		b, err := args.version(1)
		if err != nil {
			return nil, err
		}
		d, err := sp.Diff(ctx, a, b)
		return d.Append(nil), err
	})
	bc.async(v, "restoreTo", func(ctx context.Context, args arguments) (any, error) {
		version, o, err := args.restoring()
		if err != nil {
			return nil, err
		}
		return sp.Restore(ctx, version, o)
	})
	bc.async(v, "blame", func(ctx context.Context, args arguments) (any, error) {
		text, err := args.at(0).Int()
		if err != nil {
			return nil, errs.New("space.blame", errs.InvalidArgument, "argument 1 must be the number of a text")
		}
		list, err := sp.Blame(ctx, objectdb.Text(text))
		return appendBlame(nil, list), err
	})
}

// version reads an encoded version.
func (a arguments) version(i int) (objectdb.Version, error) {
	b, err := jsval.Bytes(a.at(i))
	if err != nil {
		return nil, err
	}
	return objectdb.DecodeVersion(b)
}

func (a arguments) historyQuery() (q client.HistoryQuery, err error) {
	b, err := jsval.Bytes(a.at(0))
	if err != nil {
		return q, err
	}
	r := wire.NewReader(b)
	r.Array(4)
	if !r.SkipNil() {
		r.Fixed(q.Object[:])
	}
	q.Limit = int(r.Uint(math.MaxInt32))
	if !r.SkipNil() {
		q.Before = &client.ChangePlace{}
		r.Fixed(q.Before.Block[:])
	}
	if index := uint32(r.Uint(math.MaxUint32)); q.Before != nil {
		q.Before.Index = index
	}
	return q, r.Done("space.history")
}

func (a arguments) restoring() (v objectdb.Version, o client.RestoreOptions, err error) {
	const op = "space.restore"
	b, err := jsval.Bytes(a.at(0))
	if err != nil {
		return nil, o, err
	}
	r := wire.NewReader(b)
	r.Array(3)
	version := r.Bytes(math.MaxInt32)
	o.Message = r.String(math.MaxInt32)
	if !r.SkipNil() {
		o.Objects = append([]id.ObjectID{}, splitIDs(r.Bytes(math.MaxInt32))...)
	}
	if err := r.Done(op); err != nil {
		return nil, o, err
	}
	v, err = objectdb.DecodeVersion(version)
	return v, o, err
}

func appendRef(b []byte, r feed.Ref) []byte {
	b = wire.AppendBytes(wire.AppendArray(b, 3), r.Feed[:])
	return wire.AppendBytes(wire.AppendUint(b, r.Seq), r.Hash[:])
}

func appendAuthor(b []byte, a space.Author) []byte {
	b = wire.AppendBytes(wire.AppendArray(b, 3), a.Device[:])
	return wire.AppendString(wire.AppendBytes(b, a.Identity[:]), a.Name)
}

func appendHistory(b []byte, list []client.Change) []byte {
	b = wire.AppendArray(b, len(list))
	for i := range list {
		c := &list[i]
		b = appendRef(wire.AppendArray(b, 6), c.Block)
		b = wire.AppendUint(b, uint64(c.Place.Index))
		b = wire.AppendInt(b, c.Time)
		b = wire.AppendString(b, c.Message)
		b = appendAuthor(b, c.Author)
		b = wire.AppendArray(b, len(c.Touched))
		for _, t := range c.Touched {
			b = wire.AppendBytes(wire.AppendArray(b, 3), t.Object[:])
			b = wire.AppendArray(wire.AppendUint(b, uint64(t.Kind)), len(t.Paths))
			for _, p := range t.Paths {
				b = objectdb.AppendKeys(b, p)
			}
		}
	}
	return b
}

func appendBlame(b []byte, list []client.BlameRun) []byte {
	b = wire.AppendArray(b, len(list))
	for _, r := range list {
		b = wire.AppendUint(wire.AppendArray(b, 4), uint64(r.Len))
		b = wire.AppendInt(b, r.Time)
		b = appendAuthor(appendRef(b, r.Block), r.Author)
	}
	return b
}
