// Package keystoretest is the contract of keys.KeyStore, Bulk and DeviceKeys in code: every
// implementation runs it in three lines.
//
//	func TestKeyStore(t *testing.T) {
//		keystoretest.Run(t, func(t *testing.T) keys.KeyStore { return keys.NewMemoryKeyStore(e) })
//	}
package keystoretest
