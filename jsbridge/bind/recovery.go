//go:build js

package bind

import (
	"context"

	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/keys/mnemonic"
	"github.com/echospace/echospace/jsbridge/jsval"
)

// bindRecovery binds what has to do with recovery phrases. list is the word list, as
// bytes:
//
//	createRecoveryPhrase(list): {words: string[], confirm(typed): Promise<void>, cancel()}
//	recoverIdentity(list, phrase, {timeout}): Promise<identity>
//	cancelRecovery()
func (bc *boundClient) bindRecovery(v safejs.Value) {
	bc.method(v, "createRecoveryPhrase", func(args arguments) (any, error) {
		list, err := wordsOf(args)
		if err != nil {
			return nil, err
		}
		p, err := bc.c.CreateRecoveryPhrase(list)
		if err != nil {
			return nil, err
		}
		return bc.recoveryPhrase(p), nil
	})
	bc.async(v, "recoverIdentity", func(ctx context.Context, args arguments) (any, error) {
		list, err := wordsOf(args)
		if err != nil {
			return nil, err
		}
		phrase, err := args.text("recoverIdentity", 1)
		if err != nil {
			return nil, err
		}
		who, err := bc.c.RecoverIdentity(ctx, list, phrase, client.RecoverOptions{Timeout: milliseconds(args.at(2), "timeout")})
		if err != nil {
			return nil, err
		}
		return identityValue(who), nil
	})
	bc.method(v, "cancelRecovery", func(arguments) (any, error) {
		bc.c.CancelRecovery()
		return nil, nil
	})
}

func wordsOf(args arguments) (*mnemonic.List, error) {
	b, err := jsval.Bytes(args.at(0))
	if err != nil {
		return nil, err
	}
	return mnemonic.NewList(b)
}

func (bc *boundClient) recoveryPhrase(p *client.RecoveryPhrase) safejs.Value {
	o := object()
	words := make([]safejs.Value, 0, mnemonic.Words)
	for _, w := range p.Words() {
		word, err := safejs.ValueOf(w)
		if err != nil {
			panic(err) // of a string
		}
		words = append(words, word)
	}
	set(o, "words", array(words))
	bc.async(o, "confirm", func(ctx context.Context, args arguments) (any, error) {
		typed, err := args.text("confirm", 0)
		if err != nil {
			return nil, err
		}
		return nil, p.Confirm(ctx, typed)
	})
	bc.method(o, "cancel", func(arguments) (any, error) {
		p.Cancel()
		return nil, nil
	})
	return o
}

func recoveryValue(r client.Recovery) safejs.Value {
	o := object()
	set(o, "exists", r.Exists)
	if r.Exists {
		set(o, "createdAt", float64(r.CreatedAt))
	}
	return o
}
