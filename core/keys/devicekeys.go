package keys

import "context"

// DeviceKeys makes Signers whose private keys nobody reads, this program neither: in the
// page keys of WebCrypto that are not extractable. They last until the profile is reset;
// one that was made and that no record names after that is of no use to anybody.
// keystoretest is the contract in code.
//
// It is safe for concurrent use; every method fails with ctx's error when ctx is done.
type DeviceKeys interface {
	// Make makes and keeps a key: errs.UnsupportedBrowser where there are no such keys,
	// or they cannot be kept.
	Make(ctx context.Context) (Signer, error)
	// Load gives the Signer of a key that was made before, by its public key:
	// errs.KeyUnavailable if there is none.
	Load(ctx context.Context, public [32]byte) (Signer, error)
}
