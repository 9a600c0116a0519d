package keys

import (
	"context"
	"sync"

	"github.com/echospace/echospace/core/env"
)

// KeyStore guards one wrapping key and never shows it: in the page a
// WebCrypto key that no script can export, natively a file or an operating
// system's vault. keystoretest is the contract in code.
//
// It is safe for concurrent use; every method fails with ctx's error when ctx
// is done. The wrapping key is made at the first Seal and lasts until Reset,
// across closes of whatever holds it.
type KeyStore interface {
	// Seal encrypts plaintext and binds aad. Two calls never give equal
	// results.
	Seal(ctx context.Context, plaintext, aad []byte) ([]byte, error)
	// Open reverses Seal. Anything that Seal did not make with this wrapping
	// key and aad is an errs.DecryptFailed.
	Open(ctx context.Context, sealed, aad []byte) ([]byte, error)
	// Reset destroys the wrapping key: what was sealed never opens again. The
	// next Seal makes a fresh one. Without a key it does nothing.
	Reset(ctx context.Context) error
}

// NewMemoryKeyStore makes a KeyStore whose key lives as long as the process:
// for tests, and for clients that keep nothing.
func NewMemoryKeyStore(e env.Env) KeyStore {
	return &memoryKeyStore{env: e, key: NewSecret(e)}
}

type memoryKeyStore struct {
	env env.Env

	mu  sync.Mutex // never held across a wait
	key Secret
}

func (m *memoryKeyStore) current() Secret {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.key
}

func (m *memoryKeyStore) Seal(ctx context.Context, plaintext, aad []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return Seal(m.env, m.current(), plaintext, aad), nil
}

func (m *memoryKeyStore) Open(ctx context.Context, sealed, aad []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return Open(m.current(), sealed, aad)
}

func (m *memoryKeyStore) Reset(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	fresh := NewSecret(m.env)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.key = fresh
	return nil
}
