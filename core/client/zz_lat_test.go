package client_test

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

func TestZZLatency(t *testing.T) {
	for _, direct := range []bool{true, false} {
		w := newWorld(t)
		w.direct = direct
		a, b := pair(t, w)
		x := put(t, a, "title", "v")
		eventually(t, "s", func() bool { return record(b, x) != nil })
		time.Sleep(time.Second)
		got := make(chan struct{}, 100)
		b.OnChange(func() { b.Changes(1 << 20); select { case got <- struct{}{}: default: } })
		var list []time.Duration
		for i := range 50 {
			time.Sleep(30 * time.Millisecond)
			for len(got) > 0 { <-got }
			s := time.Now()
			change(t, a, x, "title", fmt.Sprint(i))
			<-got
			list = append(list, time.Since(s))
		}
		slices.Sort(list)
		fmt.Println(direct, list[0], list[25], list[49])
	}
}
