// Package sim runs whole fleets of clients by seed: real clients and engines,
// on a simulated clock (testing/synctest), relay, network and disks. Disks lose
// their last writes, are put back to an older copy, fill up and go bad; peers
// come and go. At the end of every run all are online, and then must hold the
// same blocks and show the same objects, down to the byte, with nothing gone
// that any disk still held.
//
// It has tests only. A quick choice of seeds runs by default:
//
//	go test ./core/sim                      the quick choice
//	go test ./core/sim -sim.runs 1000       seeds 1 to 1000
//	go test ./core/sim -sim.seed 17         one seed, as a failure names it
//
// A seed fixes what is done and when; which goroutine runs first among those
// that are ready is left to the scheduler, so a failure may take some tries to
// come back.
package sim
