package credential

import "github.com/echospace/echospace/core/id"

// ExtendProof gives the proof of another device of the member that a proof shows: the
// chain of that device is added to it. Whether it holds, VerifyProof tells. Errors are
// those of DecodeProof.
func ExtendProof(proof []byte, chain [][]byte) ([]byte, error) {
	creds, err := DecodeProof(proof)
	if err != nil {
		return nil, err
	}
	known := map[id.CredentialID]bool{}
	for _, c := range creds {
		known[c.ID()] = true
	}
	for _, raw := range chain {
		c, err := Decode(raw)
		if err != nil {
			return nil, err
		}
		if !known[c.ID()] {
			known[c.ID()] = true
			creds = append(creds, c)
		}
	}
	return encodeProof(creds), nil
}

// ProofChain gives the links of a proof, which lead from the identity key to the device
// whose proof it is, as VerifyChain takes them, if the proof is that of the identity
// that founded the space. Errors are those of DecodeProof.
func ProofChain(proof []byte) (chain [][]byte, err error) {
	creds, err := DecodeProof(proof)
	if err != nil {
		return nil, err
	}
	for _, c := range creds {
		if _, _, ok := linkOf(c); ok {
			chain = append(chain, c.Encode())
		}
	}
	return chain, nil
}
