package keys_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/keys/keystoretest"
)

func TestPlainBulk(t *testing.T) { keystoretest.RunBulk(t, keys.PlainBulk{}) }

func TestPlainBulk_endsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := (keys.PlainBulk{}).Seal(ctx, keys.Secret{}, []keys.BulkPiece{{Data: bytes.Repeat([]byte{1}, 9)}}); err == nil {
		t.Error("it goes on")
	}
}
