//go:build !js

package pebblestore

import (
	"fmt"
	"log/slog"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/echospace/echospace/core/errs"
)

// Options configure a Store. The zero value is the default.
type Options struct {
	// FS is the file system; nil is the operating system's.
	FS vfs.FS
	// Log gets what Pebble reports; nil discards it.
	Log *slog.Logger
}

// formatMajor pins the format of Pebble's files, so that a newer Pebble does
// not make databases that the version before cannot open.
const formatMajor = pebble.FormatValueSeparation

func (o Options) pebble(s *Store) *pebble.Options {
	fs, log := o.FS, o.Log
	if fs == nil {
		fs = vfs.Default
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &pebble.Options{
		FS:                 &walFS{FS: fs, policy: s.sync},
		FormatMajorVersion: formatMajor,
		Logger:             logger{log: log, fail: s.health.fail},
		EventListener: &pebble.EventListener{
			BackgroundError: func(err error) {
				log.Error("pebble: background work failed", "err", err)
				if isFull(err) {
					s.health.full.Store(true)
				}
			},
			FlushEnd: func(i pebble.FlushInfo) {
				if i.Err == nil {
					s.health.full.Store(false)
				}
			},
			// The default ends the process. The read that met the damage fails
			// with a corruption error, which is enough.
			DataCorruption: func(i pebble.DataCorruptionInfo) {
				log.Error("pebble: damaged file", "path", i.Path, "err", i.Details)
			},
		},
	}
}

// logger hands Pebble's messages to slog. Pebble expects Fatalf to end the
// process; here it ends the store.
type logger struct {
	log  *slog.Logger
	fail func(error)
}

func (l logger) Infof(format string, args ...any) { l.log.Debug(fmt.Sprintf(format, args...)) }

func (l logger) Errorf(format string, args ...any) { l.log.Warn(fmt.Sprintf(format, args...)) }

func (l logger) Fatalf(format string, args ...any) {
	err := fmt.Errorf(format, args...)
	for _, a := range args {
		if cause, ok := a.(error); ok { // Pebble formats it with %v
			err = fmt.Errorf("%v: %w", err, cause)
			break
		}
	}
	l.log.Error("pebble: the store failed", "err", err)
	l.fail(err)
}

// isFull reports whether err is a lack of room.
func isFull(err error) bool { return kindOf(err) == errs.StorageFull }
