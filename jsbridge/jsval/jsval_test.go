//go:build js

package jsval

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/core/errs"
)

func mustNew(t *testing.T, name string, args ...any) safejs.Value {
	t.Helper()
	v, err := New(name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestBytes(t *testing.T) {
	u8, err := Uint8Array([]byte{1, 2, 3, 4})
	if err != nil {
		t.Fatal(err)
	}
	buffer, err := u8.Get("buffer")
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name  string
		value safejs.Value
		want  string
	}{
		{"Uint8Array", u8, "\x01\x02\x03\x04"},
		{"ArrayBuffer", buffer, "\x01\x02\x03\x04"},
		{"DataView of a part", mustNew(t, "DataView", buffer, 1, 2), "\x02\x03"},
		{"Uint16Array", mustNew(t, "Uint16Array", buffer, 2, 1), "\x03\x04"},
		{"empty", mustNew(t, "Uint8Array", 0), ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := Bytes(c.value)
			if err != nil || string(got) != c.want || got == nil {
				t.Fatalf("%q, %v; want %q", got, err, c.want)
			}
		})
	}
	for _, v := range []any{nil, 1, "text", map[string]any{}, []any{1}} {
		js, err := safejs.ValueOf(v)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Bytes(js); !errs.Is(err, errs.InvalidArgument) {
			t.Errorf("Bytes(%v): %v", v, err)
		}
	}
}

func TestAwait(t *testing.T) {
	promise, _ := Global("Promise")
	resolved, _ := promise.Call("resolve", 42)
	v, err := Await(t.Context(), resolved)
	if n, _ := v.Int(); err != nil || n != 42 {
		t.Errorf("resolved: %v, %v", n, err)
	}
	plain, _ := safejs.ValueOf("plain")
	v, err = Await(t.Context(), plain)
	if s, _ := v.String(); err != nil || s != "plain" {
		t.Errorf("plain value: %v, %v", s, err)
	}
	rejected, _ := promise.Call("reject", mustNew(t, "TypeError", "no good"))
	_, err = Await(t.Context(), rejected)
	if ErrorName(err) != "TypeError" || !errs.Is(err, errs.Internal) || !strings.Contains(err.Error(), "no good") {
		t.Errorf("rejected: %v", err)
	}
	rejected, _ = promise.Call("reject")
	if _, err = Await(t.Context(), rejected); err == nil {
		t.Error("rejected with undefined: no error")
	}
}

func TestAwait_context(t *testing.T) {
	var resolve safejs.Value
	executor, err := safejs.FuncOf(func(_ safejs.Value, args []safejs.Value) any {
		resolve = args[0]
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer executor.Release()
	pending := mustNew(t, "Promise", executor)
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() {
		_, err := Await(ctx, pending)
		result <- err
	}()
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) || !errs.Is(err, errs.Cancelled) {
		t.Fatalf("cancelled: %v", err)
	}
	// What settles later finds callbacks that still exist, and nobody waiting.
	if _, err := resolve.Invoke(1); err != nil {
		t.Fatal(err)
	}
	if v, err := Await(t.Context(), pending); err != nil || v.Type() != safejs.TypeNumber {
		t.Fatalf("awaited again: %v", err)
	}
}

func TestPromises(t *testing.T) {
	cases := []struct {
		name string
		fn   func() (any, error)
		kind errs.Kind
		typ  safejs.Type
	}{
		{"value", func() (any, error) { return "x", nil }, errs.OK, safejs.TypeString},
		{"nothing", func() (any, error) { return nil, nil }, errs.OK, safejs.TypeUndefined},
		{"bytes", func() (any, error) { return []byte{1}, nil }, errs.OK, safejs.TypeObject},
		{"error", func() (any, error) { return nil, errs.New("x", errs.TooLarge, "x") }, errs.TooLarge, 0},
		{"no JavaScript value", func() (any, error) { return struct{}{}, nil }, errs.Internal, 0},
		{"panic", func() (any, error) { panic("boom") }, errs.Crashed, 0},
		{"Goexit", func() (any, error) { runtime.Goexit(); return 1, nil }, errs.Internal, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			v, err := Await(t.Context(), NewPromise(c.fn))
			if errs.KindOf(err) != c.kind {
				t.Fatalf("%v, want %v", err, c.kind)
			}
			if err == nil && v.Type() != c.typ {
				t.Errorf("result is %v, want %v", v.Type(), c.typ)
			}
		})
	}
}

func TestPromises_C10_crash(t *testing.T) {
	var crashed *errs.Error
	p := &Promises{OnCrash: func(err *errs.Error) { crashed = err }}
	block := make(chan struct{})
	waiting := p.New(func() (any, error) { <-block; return 1, nil })
	if n := p.Pending(); n != 1 {
		t.Fatalf("%d pending", n)
	}
	p.Guard(func() { panic("index out of range") })()
	if crashed == nil || !strings.Contains(crashed.Msg, "index out of range") {
		t.Fatalf("OnCrash got %v", crashed)
	}
	for name, promise := range map[string]safejs.Value{
		"pending": waiting,
		"later":   p.New(func() (any, error) { return 2, nil }),
	} {
		if _, err := Await(t.Context(), promise); !errs.Is(err, errs.Crashed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	close(block)
	if n := p.Pending(); n != 0 {
		t.Errorf("%d pending after the crash", n)
	}
}

func TestListen(t *testing.T) {
	target := mustNew(t, "EventTarget")
	fire := func() {
		if _, err := target.Call("dispatchEvent", mustNew(t, "Event", "ping")); err != nil {
			t.Fatal(err)
		}
	}
	var seen []string
	release, err := Listen(target, "ping", func(ev safejs.Value) { seen = append(seen, String(ev, "type")) })
	if err != nil {
		t.Fatal(err)
	}
	fire()
	fire()
	release()
	release()
	fire()
	if strings.Join(seen, " ") != "ping ping" {
		t.Errorf("seen %v", seen)
	}
	notATarget, _ := safejs.ValueOf(map[string]any{})
	if _, err := Listen(notATarget, "ping", func(safejs.Value) {}); !errs.Is(err, errs.InvalidArgument) {
		t.Errorf("Listen on an object: %v", err)
	}
}

func TestFromError(t *testing.T) {
	cause := errs.New("inner", errs.StorageFull, "no room")
	err := errs.New("outer", errs.WrongAuthCode, "the code is wrong: %w", cause).
		With("attemptsLeft", 2).With("key", []byte{7})
	v := FromError(err)
	if got := String(v, "code"); got != "WRONG_AUTH_CODE" {
		t.Errorf("code %q", got)
	}
	if got := String(v, "name"); got != "EchospaceError" {
		t.Errorf("name %q", got)
	}
	if got := String(v, "message"); !strings.HasPrefix(got, "the code is wrong") {
		t.Errorf("message %q", got)
	}
	if got := Int(v, "attemptsLeft"); got != 2 {
		t.Errorf("attemptsLeft %d", got)
	}
	key, _ := v.Get("key")
	if b, err := Bytes(key); err != nil || string(b) != "\x07" {
		t.Errorf("key %v, %v", b, err)
	}
	inner, _ := v.Get("cause")
	if got := String(inner, "code"); got != "STORAGE_FULL" {
		t.Errorf("cause's code %q", got)
	}
	if back := Thrown("op", errs.Internal, v); errs.KindOf(back) != errs.WrongAuthCode {
		t.Errorf("back in Go: %v", back)
	}
	if !FromError(nil).IsNull() {
		t.Error("FromError(nil) is not null")
	}
	if got := String(FromError(errors.New("plain")), "code"); got != "INTERNAL" {
		t.Errorf("code of a plain error %q", got)
	}
}
