package mesh

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/echospace/echospace/core/id"
)

func randomIDs(seed uint64, n int) []id.PeerID {
	rng := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	ids := make([]id.PeerID, n)
	for i := range ids {
		_, _ = rng.Read(ids[i][:])
	}
	return ids
}

func TestNeighbours_fullMesh(t *testing.T) {
	for n := range FullMesh + 2 {
		ids := randomIDs(uint64(n), n+1)
		if got := Neighbours(ids[0], ids); n <= FullMesh && len(got) != n || n > FullMesh && len(got) > 2*rings {
			t.Errorf("%d others: %d neighbours", n, len(got))
		}
	}
	ids := randomIDs(1, 3)
	if got := Neighbours(ids[0], []id.PeerID{ids[1], ids[1], ids[0], ids[2]}); len(got) != 2 {
		t.Errorf("duplicates and self are counted: %d", len(got))
	}
}

// TestNeighbours_N06_graph holds, for many sets, that the choice is symmetric,
// does not depend on order, connects everybody and keeps few links.
func TestNeighbours_N06_graph(t *testing.T) {
	for seed := range uint64(40) {
		n := 10 + int(seed)*4
		ids := randomIDs(seed, n)
		graph := map[id.PeerID][]id.PeerID{}
		links, most := 0, 0
		for _, v := range ids {
			graph[v] = Neighbours(v, ids)
			links += len(graph[v])
			most = max(most, len(graph[v]))
			if len(graph[v]) < 4 {
				t.Errorf("seed %d: a peer of %d has %d neighbours", seed, n, len(graph[v]))
			}
		}
		reversed := slices.Clone(ids)
		slices.Reverse(reversed)
		if !slices.Equal(Neighbours(ids[0], reversed), graph[ids[0]]) {
			t.Errorf("seed %d: the choice depends on order", seed)
		}
		seen := map[id.PeerID]bool{}
		var walk func(v id.PeerID)
		walk = func(v id.PeerID) {
			if seen[v] {
				return
			}
			seen[v] = true
			for _, u := range graph[v] {
				if !slices.Contains(graph[u], v) {
					t.Fatalf("seed %d: the choice is not symmetric", seed)
				}
				walk(u)
			}
		}
		walk(ids[0])
		if len(seen) != n {
			t.Errorf("seed %d: %d of %d peers are connected", seed, len(seen), n)
		}
		if mean := float64(links) / float64(n); mean < 5.5 || most > 2*rings {
			t.Errorf("seed %d: %d peers have %.1f neighbours on average, at most %d", seed, n, mean, most)
		}
	}
}
