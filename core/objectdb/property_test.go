package objectdb

import (
	"flag"
	"maps"
	"slices"
	"testing"

	"github.com/echospace/echospace/core/feed"
	"pgregory.net/rapid"
)

// TestDB_O09_O10_O17_replicasAgreeWithTwin runs 2 to 8 replicas over drawn
// transactions, deliveries in any causal order, forks and moves of feeds, and
// compares each with a twin that evaluates the set of ops from scratch.
func TestDB_O09_O10_O17_replicasAgreeWithTwin(t *testing.T) {
	clear(drawnOps)
	for enough := false; !enough; {
		rapid.Check(t, func(t *rapid.T) { runProgram(t, 2, 0) })
		enough = t.Failed() || leastDrawn() >= *leastOps
	}
	t.Logf("ops: %v", drawnOps)
}

// To have the property test go on for hours, with ops of each type or mostly of one:
// go test -objectdb.ops 10000000 -objectdb.type list -timeout 0.
var (
	leastOps = flag.Int("objectdb.ops", 0, "how many drawn ops of each type of value, or of objectdb.type, to compare with the twin at least; 0 is a quick choice")
	focus    = flag.String("objectdb.type", "", "draw mostly ops of this type: counter, list, object, register, text; empty draws of all alike")
)

func leastDrawn() int {
	if *focus != "" {
		return drawnOps[*focus]
	}
	return slices.Min(slices.Collect(maps.Values(drawnOps)))
}

// drawnOps counts the ops of the twin by the type of what they edit.
var drawnOps = map[string]int{}

func typeOf(o *twinOp) string {
	switch o.kind {
	case "add":
		return "counter"
	case "edit":
		return "text"
	case "insert", "remove", "move":
		return "list"
	case "value":
		return "register"
	}
	return "object"
}

// runProgram runs one drawn program, with all its checks, until the replicas
// have converged. Of 16 steps and these, parts have a replica apply a part of a block,
// and restarts have it go on from an image of its database.
func runProgram(t *rapid.T, parts, restarts int) *fleet {
	f := &fleet{t: t, slots: slots{}}
	f.plain = *focus != "" && f.pick(8, "plain") > 0
	for range 2 + f.pick(7, "replicas") {
		f.replicas = append(f.replicas, f.newReplica())
	}
	if *focus != "" || f.pick(2, "board") == 0 {
		f.shareBoard()
	}
	steps := 50
	if *focus != "" {
		steps = 120
	}
	for range f.pick(steps, "steps") {
		r := f.replicas[f.pick(len(f.replicas), "replica")]
		switch step := f.pick(16+parts+restarts, "step"); step {
		case 0, 1, 2, 3, 4:
			r.transact()
		case 5, 6, 7, 8:
			r.flush()
		case 9, 10, 11, 12, 13:
			r.receive()
		case 14:
			if !f.plain || f.pick(4, "check") == 0 {
				r.check()
			}
		case 15:
			if f.pick(2, "how") == 0 {
				r.fork()
			} else {
				r.move(f.newFeed(), feed.Ref{})
			}
		default:
			if step < 16+parts {
				r.receiveSome()
			} else {
				r.restart()
			}
		}
	}
	for _, r := range f.replicas {
		r.check()
		r.whole()
		for len(r.pending) > 0 {
			r.flush()
		}
	}
	f.converge()
	return f
}

// converge delivers everything everywhere, to a new replica too, in drawn
// orders, and compares.
func (f *fleet) converge() {
	f.replicas = append(f.replicas, f.newReplica())
	first := ""
	for _, r := range f.replicas {
		order := rapid.Permutation(f.pool).Draw(f.t, "order")
		for len(r.known) < len(f.pool) {
			for _, p := range order {
				if !r.known[p.twin] {
					r.apply(p)
				}
			}
		}
		r.check()
		if shown := r.show(); first == "" {
			first = shown
		} else if shown != first {
			f.t.Fatalf("replicas differ:\n%s\n%s", first, shown)
		}
	}
	var frontier []feed.Ref
	for _, r := range f.replicas {
		if got := r.db.Frontier(); frontier != nil && !slices.Equal(got, frontier) {
			f.t.Fatalf("frontiers differ: %v, %v", frontier, got)
		} else {
			frontier = got
		}
	}
}
