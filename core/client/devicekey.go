package client

import (
	"context"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/keys"
)

// KeyStorage says where the private key of this device is.
type KeyStorage string

const (
	// KeySealed is in the keyring, under what opens the profile.
	KeySealed KeyStorage = "SEALED"
	// KeyWebCrypto is a key of the platform's that nobody reads (keys.DeviceKeys). The
	// platform keeps it beside the keyring, not under what opens the profile.
	KeyWebCrypto KeyStorage = "WEBCRYPTO"
)

func storageOf(signer keys.Signer) KeyStorage {
	if _, sealed := signer.(*keys.SigningKey); sealed {
		return KeySealed
	}
	return KeyWebCrypto
}

// newSigner makes the key of a new device: one that nobody reads if the platform has such
// and the profile is not locked, else one that the keyring seals. Of a locked profile a
// copy must be of no use, and browsers write their keys to disk in clear.
func (s *session) newSigner(ctx context.Context) (keys.Signer, error) {
	slots := s.keyring.Keyslots()
	if s.storage.Devices != nil && !slots.Passphrase && len(slots.Passkeys) == 0 {
		signer, err := s.storage.Devices.Make(ctx)
		if !errs.Is(err, errs.UnsupportedBrowser) {
			return signer, err
		}
		s.c.ports.Env.Log.Info("the device's key is sealed in the keyring", "err", err)
	}
	return keys.NewSigningKey([32]byte(s.c.ports.Env.Bytes(32))), nil
}

// loadSigner gives the Signer of a key that newSigner made and that is not in the keyring.
func (s *session) loadSigner(ctx context.Context, public [32]byte) (keys.Signer, error) {
	if s.storage.Devices == nil {
		return nil, errs.New("client.identity", errs.KeyUnavailable, "this device's key was made by WebCrypto, which is not here; open the profile in the browser that made it")
	}
	return s.storage.Devices.Load(ctx, public)
}
