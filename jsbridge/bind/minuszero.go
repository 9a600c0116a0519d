//go:build js

package bind

import (
	"math"

	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/jsbridge/jsval"
)

// wasm_exec.js gives -0 the reference of 0 in both directions, so that to Go
// there is only the one zero. These two let it pass by as the element of a
// Float64Array, whose bytes are exact.

// isMinusZero tells whether the property of a plain object without getters,
// which Go sees as p, is -0.
func isMinusZero(o safejs.Value, name string, p safejs.Value) bool {
	if f, err := p.Float(); err != nil || f != 0 {
		return false
	}
	object, _ := jsval.Global("Object")
	reflect, _ := jsval.Global("Reflect")
	floats, _ := jsval.Global("Float64Array")
	property, err := object.Call("getOwnPropertyDescriptor", o, name)
	if err != nil {
		return false
	}
	values, err := object.Call("values", property) // the value comes first
	if err != nil {
		return false
	}
	if values, err = values.Call("slice", 0, 1); err != nil {
		return false
	}
	of, err := floats.Get("of")
	if err != nil {
		return false
	}
	array, err := reflect.Call("apply", of, floats, values)
	if err != nil {
		return false
	}
	b, err := jsval.Bytes(array)
	return err == nil && len(b) == 8 && b[7] == 0x80 // little-endian, as wasm is
}

// assign sets a property, also to -0.
func assign(o safejs.Value, name string, value any) {
	f, ok := value.(float64)
	if !ok || f != 0 || !math.Signbit(f) {
		set(o, name, value)
		return
	}
	if err := assignMinusZero(o, name); err != nil {
		panic(err) // o is a fresh plain object
	}
}

func assignMinusZero(o safejs.Value, name string) error {
	bytes, err := jsval.Uint8Array([]byte{0, 0, 0, 0, 0, 0, 0, 0x80})
	if err != nil {
		return err
	}
	buffer, err := bytes.Get("buffer")
	if err != nil {
		return err
	}
	floats, err := jsval.New("Float64Array", buffer)
	if err != nil {
		return err
	}
	class, _ := jsval.Global("Array")
	zero, err := class.Call("from", floats)
	if err != nil {
		return err
	}
	arguments, err := class.Call("of", o, name)
	if err != nil {
		return err
	}
	if arguments, err = arguments.Call("concat", zero); err != nil {
		return err
	}
	reflect, _ := jsval.Global("Reflect")
	setter, err := reflect.Get("set")
	if err != nil {
		return err
	}
	_, err = reflect.Call("apply", setter, reflect, arguments)
	return err
}
