// Package storetest is the contract of storage.Store in code: one suite that
// every implementation runs.
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) storetest.Open {
//			disk := memstore.NewDisk()
//			return func() (storage.Store, error) { return disk.Open(), nil }
//		})
//	}
//
// An Open stands for one medium. It is called again after the Store it gave was
// closed, and must then find what was there. The suite runs natively and as
// wasm, and asserts no timing.
package storetest
