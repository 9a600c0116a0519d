//go:build js

// Command branches goes through the kinds of control flow that a compiler makes,
// with goroutines that wait in the midst of them, and prints what comes out.
package main

import (
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

type node struct {
	left, right *node
	value       int
	name        string
}

// waits gives n after other goroutines ran.
//
//go:noinline
func waits(n int) int {
	runtime.Gosched()
	return n
}

// loops nests loops that wait, with jumps out of the midst of them.
func loops(n int) (sum int) {
outer:
	for i := range n {
		for j := range n {
			switch {
			case j == waits(i):
				continue outer
			case i*j%7 == 3:
				sum += waits(j)
			case i+j > 2*n-4:
				break outer
			default:
				sum ^= i << (j % 5)
			}
			for k := j; k > 0; k /= 2 {
				if k%3 == 0 {
					sum++
				}
			}
		}
	}
	return sum
}

// chooses has a switch of many numbers and one of texts.
func chooses(n int, s string) int {
	r := 0
	switch n {
	case 0, 3, 17:
		r = 1
	case 1:
		r = waits(2)
	case 2, 900:
		r = 3
		fallthrough
	case 4:
		r += 10
	case 5, 6, 7, 8, 9, 10:
		if s == "" {
			goto end
		}
		r = n
	}
	switch s {
	case "a", "bcd":
		r += 100
	case "abcdefghi":
		r += waits(200)
	}
end:
	return r
}

// nils follows pointers that may be nil at several places, deep in its work, and
// collects garbage while the panic is under way.
func nils(n *node, at int) (result string) {
	local := strings.Repeat("x", at+3)
	kept := make([]*node, at+1)
	defer func() {
		runtime.GC()
		err, _ := recover().(runtime.Error)
		result = fmt.Sprint(result, len(local), len(kept), kept[at] != nil, err != nil)
	}()
	for i := range kept {
		kept[i] = &node{value: i}
	}
	result = "one "
	if at == 1 {
		n.left.value = waits(1)
	}
	result = "two "
	if waits(at) == 2 {
		return n.right.name
	}
	for i := 0; ; i++ {
		result = fmt.Sprint("three ", i, " ")
		n.value += i
		n = n.left
	}
}

// bounds leaves a slice at an index that it has not.
func bounds(list []int, i int) (n int, err error) {
	defer func() {
		if r := recover(); r != nil {
			n, err = waits(-1), r.(error)
		}
	}()
	return list[i] / list[i+1], nil
}

// defers defers in a loop, and calls functions that panic and recover in turn.
func defers(n int) (order []int) {
	for i := range n {
		defer func() {
			if r := recover(); r != nil {
				order = append(order, r.(int))
			}
			order = append(order, waits(i))
			if i%3 == 1 {
				panic(100 + i)
			}
		}()
	}
	if n > 2 {
		panic(n)
	}
	return nil
}

func walk(n *node) iter.Seq[int] {
	return func(yield func(int) bool) {
		_ = n == nil || walkLeft(n, yield) && yield(n.value) && walkLeft(&node{left: n.right}, yield)
	}
}

func walkLeft(n *node, yield func(int) bool) bool {
	for v := range walk(n.left) {
		if !yield(v) {
			return false
		}
	}
	return true
}

// iterates leaves a range over a function from within, and defers there.
func iterates(root *node, limit int) (found []int, err error) {
	defer func() { slices.Reverse(found) }()
	for v := range walk(root) {
		defer func() { found = append(found, -v) }()
		if v > limit {
			return found, errors.New("beyond")
		}
		if waits(v)%2 == 0 {
			continue
		}
		found = append(found, v)
	}
	return found, nil
}

// deep needs a stack that is copied while it waits.
func deep(n int, parent *[32]int) int {
	var frame [32]int
	frame[n%32] = n + parent[(n+1)%32]
	if n == 0 {
		return waits(len(frame))
	}
	return deep(n-1, &frame) + frame[n%32]%5
}

// exchanges lets goroutines wait for each other in several ways.
func exchanges(n int) int {
	in, out, quit := make(chan int), make(chan int, 3), make(chan struct{})
	var group sync.WaitGroup
	var mutex sync.Mutex
	total := 0
	for worker := range 4 {
		group.Go(func() {
			for {
				select {
				case v, ok := <-in:
					if !ok {
						return
					}
					mutex.Lock()
					total += waits(v * (worker + 1) / (worker + 1))
					mutex.Unlock()
					out <- v
				case <-quit:
					panic("nobody quits")
				}
			}
		})
	}
	group.Go(func() {
		for range n {
			<-out
		}
	})
	for i := range n {
		in <- i
		if i%50 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	close(in)
	group.Wait()
	return total
}

func numbers(n uint64, f float64) string {
	for i := range 20 {
		n = n*6364136223846793005 + 1442695040888963407
		if f = f*1.5 + float64(n%10); f > 1e6 || n%13 == 0 {
			f -= float64(waits(i))
		}
	}
	return fmt.Sprintf("%x %.3f %d", n, f, int8(n)>>1)
}

func main() {
	tree := &node{value: 5, left: &node{value: 3, left: &node{value: 1}}, right: &node{value: 8, left: &node{value: 7}}}
	background := 0
	go func() {
		for {
			if background = waits(background + 1); background%100 == 0 {
				time.Sleep(time.Millisecond) // the page has its turn when all wait
			}
		}
	}()
	for n := range 12 {
		fmt.Println(n, loops(n), chooses(n, "abcdefghi"[:n%10%9]), defers(n))
	}
	fmt.Println(chooses(900, "bcd"), chooses(17, "abcdefghi"), chooses(-1, "zz"))
	for at := range 4 {
		fmt.Println(nils(&node{left: &node{}}, at), nils(nil, at), nils(&node{}, at))
	}
	for i := range 4 {
		fmt.Println(bounds([]int{7, 3, 0}, i))
	}
	fmt.Println(iterates(tree, 4))
	fmt.Println(iterates(tree, 10))
	fmt.Println(deep(3000, new([32]int)), exchanges(200), numbers(1, 0.5), background > 100)
	func(n *node) { fmt.Println(n.left.right.value) }(tree)
}
