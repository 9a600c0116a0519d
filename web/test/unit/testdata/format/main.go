// Command fmttest prints what package fmt makes of many formats and values, so that the
// library's own and the one of the page's module can be held against one another.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

type (
	key    [4]byte
	role   uint8
	number int32
	text   string
	pair   struct {
		A int
		b string
	}
	named   struct{ v int }
	pointer struct{ v int }
	failing struct{}
	shaped  struct{}
)

func (r role) String() string     { return "role " + string(rune('0'+r)) }
func (k key) String() string      { return "key" }
func (n named) String() string    { return "named" }
func (p *pointer) String() string { return "pointer" }
func (failing) Error() string     { return "it failed" }

func (shaped) Format(f fmt.State, verb rune) {
	w, hasW := f.Width()
	p, hasP := f.Precision()
	fmt.Fprintf(f, "<%c %d %t %d %t %t%t>", verb, w, hasW, p, hasP, f.Flag('+'), f.Flag('#'))
}

// skipped tells what differs: numbers of fractions in other bases, addresses as numbers,
// and what flags do to the notice of a verb that a value does not have.
func skipped(format string, v any) bool {
	verb := format[len(format)-1]
	if verb == '|' {
		verb = format[len(format)-2]
	}
	switch v.(type) {
	case float32, float64:
		return strings.ContainsRune("xXqobctds", rune(verb)) && len(format) > 2 || strings.ContainsRune("xXob", rune(verb))
	case *pointer, struct{ P *int }:
		return verb != 'v' && verb != 's' && verb != 'T'
	}
	return len(format) > 2 && strings.Contains(fmt.Sprintf(format, v), "%!")
}

func main() {
	var none *pointer
	var nilError error
	values := []any{
		nil, true, false, 0, 7, -42, int8(-8), int16(300), int32(-70000), int64(1) << 40, uint(9), uint8(200), uint16(65535),
		uint32(1 << 31), uint64(1) << 63, uintptr(77), 1.5, float32(0.25), -3e20, 1e-7, "", "text", "quoted \"\n\t\x00é", text("named text"),
		[]byte("bytes"), []byte{}, []byte(nil), [3]byte{1, 2, 250}, key{1, 2, 3, 255}, role(3), number(-5), []string{"a", "b c"}, []int{1, -2},
		[]role{1, 2}, []any{1, "x", nil, failing{}}, []error{failing{}, nil}, [2]bool{true, false}, pair{1, "two"}, &pair{3, "four"},
		named{1}, &named{2}, &pointer{3}, none, failing{}, errors.New("plain"), shaped{}, [][]byte{{1}, {2, 3}}, &[]int{1}, struct{}{},
		'x', rune(0x4e16), struct{ E error }{failing{}}, struct{ P *int }{},
	}
	formats := []string{
		"%v", "%+v", "%s", "%q", "%d", "%x", "%X", "%t", "%c", "%T", "%f", "%.1f", "%.3f", "%g", "%e", "%8.2f", "%08.3f", "%+d", "% d", "%5d", "%-5d|", "%05d", "%.3d",
		"%8v", "%-8v|", "%8s", "%-8s|", "%.2s", "%.2q", "%#x", "% x", "%.2x", "%02x", "%o", "%b", "%#q", "%5t", "%5q", "%10T|", "%3c",
	}
	out := func(format string, a ...any) { os.Stdout.WriteString(fmt.Sprintf(format, a...) + "\n") }
	for _, f := range formats {
		for i, v := range values {
			if !skipped(f, v) {
				os.Stdout.WriteString(fmt.Sprint(f[1:], " ", i, ": "))
				out(f, v)
			}
		}
	}
	out("%d of %d: %s", 1, 2)
	out("one", 2, "three")
	out("100%% of %v", "it")
	out("%", 1)
	out("%!")
	out("héllo %s wörld", "schön")
	for _, err := range []error{
		fmt.Errorf("no cause %d", 1), fmt.Errorf("a: %w", failing{}), fmt.Errorf("a: %w, b: %w", failing{}, errors.New("b")),
		fmt.Errorf("%w", nilError), fmt.Errorf("%w", 3), fmt.Errorf("%v: %w", "x", fmt.Errorf("y: %w", failing{})),
	} {
		out("%v %t %t %s", err, errors.Is(err, failing{}), errors.Unwrap(err) == nil, err)
	}
	os.Stdout.WriteString(fmt.Sprint("a", 1, 2, "b", "c", nil, failing{}) + fmt.Sprintln("d", 4, nil))
	os.Stdout.Write(fmt.Append(nil, 1, 2, "x"))
	os.Stdout.Write(fmt.Appendf([]byte("begun "), "%s\n", "so"))
	os.Stdout.Write(fmt.Appendln(nil, 1, "y"))
	fmt.Fprintf(os.Stdout, "%s-%s\n", "f", "p")
	fmt.Fprint(os.Stdout, "f", 1, "\n")
	fmt.Fprintln(os.Stdout, "f", 1)
}
