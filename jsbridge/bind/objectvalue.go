//go:build js

package bind

import (
	"math"
	"sort"
	"strconv"
	"strings"

	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/objectdb"
	"github.com/echospace/echospace/core/wire"
	"github.com/echospace/echospace/jsbridge/jsval"
)

// Types of the values that are arrays in the encoding of package objectdb.
const (
	valueBytes   = 1
	valueDate    = 2
	valueRef     = 3
	valueMap     = 4
	valueBigInt  = 5
	valueList    = 6
	valueText    = 7
	valueCounter = 8
)

// maxNesting is the depth of maps that package objectdb takes.
const maxNesting = 32

// maxSafe is Number.MAX_SAFE_INTEGER: up to it a number that is whole is stored
// as an integer, beyond it as a float.
const maxSafe = 1<<53 - 1

// encoder appends JavaScript values in the encoding of package objectdb.
type encoder struct {
	out  []byte
	path []string
}

// refuse is errs.UnsupportedValue with the path of the value as a detail.
func (e *encoder) refuse(format string, args ...any) error {
	path := strings.Join(e.path, ".")
	err := errs.New("space.db", errs.UnsupportedValue, format, args...)
	if path != "" {
		err.Msg = "at " + path + ": " + err.Msg
	}
	return err.With("path", path)
}

// value appends any value that an object can hold.
func (e *encoder) value(v safejs.Value) error {
	if isBigInt(v) {
		return e.bigInt(v)
	}
	switch v.Type() {
	case safejs.TypeNull:
		e.out = wire.AppendNil(e.out)
	case safejs.TypeBoolean:
		b, err := v.Bool()
		if err != nil {
			return err
		}
		e.out = wire.AppendBool(e.out, b)
	case safejs.TypeNumber:
		f, err := v.Float()
		if err != nil {
			return err
		}
		e.out = appendNumber(e.out, f)
	case safejs.TypeString:
		s, err := e.text("the string", v)
		if err != nil {
			return err
		}
		e.out = wire.AppendString(e.out, s)
	case safejs.TypeObject:
		return e.object(v)
	case safejs.TypeUndefined:
		return e.refuse("undefined is no value; use null, or leave the property out")
	default:
		return e.refuse("a %v is no value", v.Type())
	}
	return nil
}

// isBigInt tells a bigint, the one type that syscall/js has no word for: asked
// for its type it panics.
func isBigInt(v safejs.Value) (is bool) {
	defer func() { is = recover() != nil }()
	v.Type()
	return false
}

func appendNumber(b []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return wire.AppendFloat(b, math.Float64frombits(0x7ff8<<48)) // the one NaN of JavaScript
	case f != math.Trunc(f), math.Abs(f) > maxSafe, f == 0 && math.Signbit(f):
		return wire.AppendFloat(b, f)
	}
	return wire.AppendInt(b, int64(f))
}

// text gives a string as UTF-8. Half a surrogate pair is refused, since
// syscall/js would replace it without a word.
func (e *encoder) text(what string, v safejs.Value) (string, error) {
	if !isWellFormed(v) {
		return "", e.refuse("%s has a lone surrogate, which UTF-8 cannot hold", what)
	}
	return v.String()
}

func isWellFormed(v safejs.Value) bool {
	if result, err := v.Call("isWellFormed"); err == nil {
		yes, err := result.Bool()
		return err == nil && yes
	}
	// Browsers before 2023 lack the method; this one throws at lone surrogates.
	_, err := safejs.Global().Call("encodeURIComponent", v)
	return err == nil
}

func (e *encoder) bigInt(v safejs.Value) error {
	digits, err := safejs.Global().Call("String", v)
	if err != nil {
		return e.refuse("this value cannot be stored")
	}
	s, err := digits.String()
	if err != nil {
		return err
	}
	e.out = wire.AppendArray(e.out, 2)
	e.out = wire.AppendUint(e.out, valueBigInt)
	e.out = wire.AppendString(e.out, s)
	return nil
}

// object appends a Date, bytes, or a plain object.
func (e *encoder) object(v safejs.Value) error {
	if isA(v, "Date") {
		at, err := v.Call("getTime")
		if err != nil {
			return err
		}
		ms, err := at.Float()
		if err != nil || math.IsNaN(ms) {
			return e.refuse("the Date is invalid")
		}
		e.out = wire.AppendArray(e.out, 2)
		e.out = wire.AppendUint(e.out, valueDate)
		e.out = wire.AppendInt(e.out, int64(ms))
		return nil
	}
	if isA(v, "Uint8Array") {
		b, err := jsval.Bytes(v)
		if err != nil {
			return err
		}
		e.out = wire.AppendArray(e.out, 2)
		e.out = wire.AppendUint(e.out, valueBytes)
		e.out = wire.AppendBytes(e.out, b)
		return nil
	}
	return e.plain(v)
}

func isA(v safejs.Value, constructor string) bool {
	c, ok := jsval.Global(constructor)
	if !ok {
		return false
	}
	is, err := v.InstanceOf(c)
	return err == nil && is
}

// plain appends a plain object as a map, its keys in the order of their bytes.
func (e *encoder) plain(v safejs.Value) error {
	if len(e.path) > maxNesting {
		return e.refuse("is nested deeper than %d", maxNesting)
	}
	v, keys, err := e.snapshot(v)
	if err != nil {
		return err
	}
	e.out = wire.AppendArray(e.out, 1+2*len(keys))
	e.out = wire.AppendUint(e.out, valueMap)
	for _, k := range keys {
		e.out = wire.AppendString(e.out, k)
		if err := e.property(v, k); err != nil {
			return err
		}
	}
	return nil
}

// property appends the value of a property of a snapshot; errors name it.
func (e *encoder) property(v safejs.Value, key string) error {
	e.path = append(e.path, key)
	defer func() { e.path = e.path[:len(e.path)-1] }()
	p, err := v.Get(key)
	if err != nil {
		return err
	}
	if jsval.Is(p, safejs.TypeNumber) && isMinusZero(v, key, p) {
		e.out = wire.AppendFloat(e.out, math.Copysign(0, -1))
		return nil
	}
	return e.value(p)
}

// snapshot gives a copy of a plain object without getters, and the names of its
// properties in the order of their bytes; anything but a plain object is
// refused.
func (e *encoder) snapshot(v safejs.Value) (safejs.Value, []string, error) {
	keys, err := e.keys(v)
	if err != nil {
		return v, nil, err
	}
	object, _ := jsval.Global("Object")
	entries, err := object.Call("entries", v)
	if err != nil {
		return v, nil, e.refuse("a getter threw: %w", err)
	}
	v, err = object.Call("fromEntries", entries)
	return v, keys, err
}

// keys is snapshot's check.
func (e *encoder) keys(v safejs.Value) ([]string, error) {
	object, ok := jsval.Global("Object")
	if !ok || !jsval.Is(v, safejs.TypeObject) {
		return nil, e.refuse("want a plain object")
	}
	prototype, err := object.Call("getPrototypeOf", v)
	if err != nil {
		return nil, e.refuse("cannot be read: %w", err)
	}
	if plain, err := object.Get("prototype"); err != nil || !prototype.IsNull() && !prototype.Equal(plain) {
		return nil, e.refuse("%s cannot be stored; use a plain object", nameOf(v))
	}
	symbols, err := object.Call("getOwnPropertySymbols", v)
	if err != nil {
		return nil, e.refuse("cannot be read: %w", err)
	}
	if n, err := symbols.Length(); err != nil || n > 0 {
		return nil, e.refuse("has a property that is named by a symbol, which would be lost")
	}
	list, err := object.Call("keys", v)
	if err != nil {
		return nil, e.refuse("cannot be read: %w", err)
	}
	n, err := list.Length()
	if err != nil {
		return nil, err
	}
	keys := make([]string, n)
	for i := range keys {
		k, err := list.Index(i)
		if err != nil {
			return nil, err
		}
		if keys[i], err = e.text("a property's name", k); err != nil {
			return nil, err
		}
	}
	sort.Slice(keys, func(i, j int) bool { return keys[i] < keys[j] })
	return keys, nil
}

// nameOf names the class of an object for an error.
func nameOf(v safejs.Value) string {
	if c, err := v.Get("constructor"); err == nil && jsval.Is(c, safejs.TypeFunction) {
		if name := jsval.String(c, "name"); name != "" {
			return "a value of class " + name
		}
	}
	return "this object"
}

// decoder reads the records of one database.
type decoder struct {
	*wire.Reader
	db *objectdb.DB // whose texts they name
}

// value reads one value as a JavaScript one. A reference is given as the id of
// the object that it names, in hexadecimal; a list, a text and a counter as the
// array, the string and the number that they are now.
func (r decoder) value() (any, error) {
	switch r.Peek() {
	case wire.Nil:
		r.Nil()
		return safejs.Null(), r.Err()
	case wire.Bool:
		return r.Bool(), r.Err()
	case wire.Uint:
		return float64(r.Uint(math.MaxUint64)), r.Err()
	case wire.Int:
		return float64(r.Int()), r.Err()
	case wire.Float:
		return r.Float(), r.Err()
	case wire.String:
		return r.String(math.MaxInt32), r.Err()
	}
	n := r.ArrayLen(math.MaxInt32)
	t := r.Uint(math.MaxUint8)
	if err := r.Err(); err != nil {
		return nil, err
	}
	return r.typed(t, n)
}

// typed reads the rest of an array of n elements that begins with type t.
func (r decoder) typed(t uint64, n int) (any, error) {
	switch t {
	case valueBytes:
		b := r.Bytes(math.MaxInt32)
		if err := r.Err(); err != nil {
			return nil, err
		}
		return jsval.Uint8Array(b)
	case valueDate:
		return jsval.New("Date", float64(r.Int()))
	case valueRef:
		return hexID(r.Reader), r.Err()
	case valueMap:
		return r.pairs((n - 1) / 2)
	case valueList:
		return r.items((n - 1) / 2)
	case valueText:
		b, err := r.db.AppendText(nil, objectdb.Text(r.Uint(math.MaxInt32)), 0, math.MaxInt32)
		return string(b), err
	case valueCounter:
		return float64(r.Int()), r.Err()
	case valueBigInt:
		return safejs.Global().Call("BigInt", r.String(math.MaxInt32))
	}
	return nil, errs.New("space.db", errs.VersionUnsupported, "a value of type %d was written by a newer version", t)
}

// items reads the items of a list, each behind its number, into an array.
func (r decoder) items(n int) (any, error) {
	list := array(nil)
	for i := range n {
		r.Skip()
		v, err := r.value()
		if err != nil {
			return nil, err
		}
		define(list, strconv.Itoa(i), v)
	}
	return list, r.Err()
}

// pairs reads pairs into a plain object.
func (r decoder) pairs(n int) (any, error) {
	o := object()
	for range n {
		k := r.String(math.MaxInt32)
		v, err := r.value()
		if err != nil {
			return nil, err
		}
		define(o, k, v)
	}
	return o, r.Err()
}

// define sets an own property, which for this one name an assignment does not.
func define(o safejs.Value, name string, value any) {
	if name != "__proto__" {
		assign(o, name, value)
		return
	}
	class, ok := jsval.Global("Object")
	if !ok {
		return // object() would have panicked
	}
	how := object()
	assign(how, "value", value)
	for _, flag := range [...]string{"writable", "enumerable", "configurable"} {
		set(how, flag, true)
	}
	if _, err := class.Call("defineProperty", o, name, how); err != nil {
		panic(err) // o is a fresh plain object
	}
}
