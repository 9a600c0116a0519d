package errs

import "strconv"

// Kind classifies an Error. Numbers are fixed for good: they are stored, sent
// and mirrored in TypeScript. New kinds take new numbers.
type Kind uint16

// The kinds. The comment of each is what its code tells a user.
const (
	OK                 Kind = 0  // no error
	Internal           Kind = 1  // a fault of Echospace itself
	Crashed            Kind = 2  // the core panicked; reload the page
	Cancelled          Kind = 3  // the caller cancelled
	Timeout            Kind = 4  // a limit ran out
	InvalidArgument    Kind = 5  // an argument is not what the call takes
	NotFound           Kind = 6  // there is no such thing
	Closed             Kind = 7  // the thing was closed before or during the call
	NotInitialized     Kind = 8  // call initialize() first
	TooLarge           Kind = 9  // a value, block, frame or message exceeds its limit
	VersionUnsupported Kind = 10 // written by a newer version, or held by another one
	InsecureContext    Kind = 11 // the page is not a secure context (https or localhost)
	UnsupportedValue   Kind = 12 // a value that no object can hold
	UnsupportedBrowser Kind = 13 // the browser lacks something that is needed
	WasmUnavailable    Kind = 14 // the module could not be loaded or compiled
	Unsupported        Kind = 15 // this version of Echospace cannot do it
	StorageFull        Kind = 20 // the quota is used up; nothing acknowledged was lost
	StorageUnavailable Kind = 21 // storage is blocked, closed or failing
	StorageCorrupt     Kind = 22 // a stored record is damaged or missing
	WrongPassphrase    Kind = 23 // the passphrase does not open the keyring
	PassphraseRequired Kind = 24 // the profile opens with its passphrase or passkey only
	NoIdentity         Kind = 30 // create an identity first
	IdentityExists     Kind = 31 // this profile has an identity already
	NotPermitted       Kind = 32 // the role does not allow it
	SpaceClosed        Kind = 33 // the space is closed; open() it first
	BadKey             Kind = 34 // a key is malformed, non-canonical or of low order
	BadSignature       Kind = 35 // a signature does not verify
	BadCredential      Kind = 36 // a credential is malformed or its chain does not hold
	DecryptFailed      Kind = 37 // a ciphertext does not open under the key
	KeyUnavailable     Kind = 38 // the key that is needed is not held
	InvalidPhrase      Kind = 39 // the text is not a recovery phrase
	InvalidInvitation  Kind = 40 // the text is not an invitation code
	WrongAuthCode      Kind = 41 // the auth code is not the host's
	TooManyAttempts    Kind = 42 // the guesses of this invitation are used up
	AlreadyMember      Kind = 43 // the identity is a member already
	CancelledByHost    Kind = 44 // the host cancelled the invitation
	InvitationExpired  Kind = 45 // the invitation's time is over
	InvitationUsed     Kind = 46 // the single-use invitation admitted somebody else
	HostUnreachable    Kind = 47 // the host is gone or cannot be reached
	GuestGone          Kind = 48 // the guest went away
	WrongGuest         Kind = 49 // the guest does not hold the key that the invitation names
	ProofExpired       Kind = 50 // a presentation's time is over, or has not begun
	ProofReplayed      Kind = 51 // a presentation was made for another nonce or audience
	Malformed          Kind = 60 // bytes that are not of the format
	CorruptBlock       Kind = 61 // a block's hash, signature or content is wrong
	WrongSequence      Kind = 62 // a block does not follow the head of its feed
	FeedForked         Kind = 63 // a feed has two blocks at one place
	UnknownFeed        Kind = 64 // a block of a feed that is not admitted
	MissingDependency  Kind = 65 // a block refers to blocks that have not arrived
	Offline            Kind = 80 // the client is offline
	RelayUnreachable   Kind = 81 // no relay answers
	RelayRefused       Kind = 82 // the relay refused: a limit or the origin
	ChannelNotBound    Kind = 83 // the direct channel is not that of the session
	HandshakeFailed    Kind = 84 // a handshake message does not verify
	PeerMisbehaved     Kind = 85 // a peer broke the protocol and was dropped
	PeerUnreachable    Kind = 86 // the peer is gone or there is no path to it
)

// codes are the words of the kinds.
var codes = map[Kind]string{
	OK:                 "OK",
	Internal:           "INTERNAL",
	Crashed:            "CRASHED",
	Cancelled:          "CANCELLED",
	Timeout:            "TIMEOUT",
	InvalidArgument:    "INVALID_ARGUMENT",
	NotFound:           "NOT_FOUND",
	Closed:             "CLOSED",
	NotInitialized:     "NOT_INITIALIZED",
	TooLarge:           "TOO_LARGE",
	VersionUnsupported: "VERSION_UNSUPPORTED",
	InsecureContext:    "INSECURE_CONTEXT",
	UnsupportedValue:   "UNSUPPORTED_VALUE",
	UnsupportedBrowser: "UNSUPPORTED_BROWSER",
	WasmUnavailable:    "WASM_UNAVAILABLE",
	Unsupported:        "UNSUPPORTED",
	StorageFull:        "STORAGE_FULL",
	StorageUnavailable: "STORAGE_UNAVAILABLE",
	StorageCorrupt:     "STORAGE_CORRUPT",
	WrongPassphrase:    "WRONG_PASSPHRASE",
	PassphraseRequired: "PASSPHRASE_REQUIRED",
	NoIdentity:         "NO_IDENTITY",
	IdentityExists:     "IDENTITY_EXISTS",
	NotPermitted:       "NOT_PERMITTED",
	SpaceClosed:        "SPACE_CLOSED",
	BadKey:             "BAD_KEY",
	BadSignature:       "BAD_SIGNATURE",
	BadCredential:      "BAD_CREDENTIAL",
	DecryptFailed:      "DECRYPT_FAILED",
	KeyUnavailable:     "KEY_UNAVAILABLE",
	InvalidPhrase:      "INVALID_PHRASE",
	InvalidInvitation:  "INVALID_INVITATION",
	WrongAuthCode:      "WRONG_AUTH_CODE",
	TooManyAttempts:    "TOO_MANY_ATTEMPTS",
	AlreadyMember:      "ALREADY_MEMBER",
	CancelledByHost:    "CANCELLED_BY_HOST",
	InvitationExpired:  "INVITATION_EXPIRED",
	InvitationUsed:     "INVITATION_USED",
	HostUnreachable:    "HOST_UNREACHABLE",
	GuestGone:          "GUEST_GONE",
	WrongGuest:         "WRONG_GUEST",
	ProofExpired:       "PROOF_EXPIRED",
	ProofReplayed:      "PROOF_REPLAYED",
	Malformed:          "MALFORMED",
	CorruptBlock:       "CORRUPT_BLOCK",
	WrongSequence:      "WRONG_SEQUENCE",
	FeedForked:         "FEED_FORKED",
	UnknownFeed:        "UNKNOWN_FEED",
	MissingDependency:  "MISSING_DEPENDENCY",
	Offline:            "OFFLINE",
	RelayUnreachable:   "RELAY_UNREACHABLE",
	RelayRefused:       "RELAY_REFUSED",
	ChannelNotBound:    "CHANNEL_NOT_BOUND",
	HandshakeFailed:    "HANDSHAKE_FAILED",
	PeerMisbehaved:     "PEER_MISBEHAVED",
	PeerUnreachable:    "PEER_UNREACHABLE",
}

// Code gives the word of the kind, such as WRONG_AUTH_CODE, and KIND_n for a
// number that this version does not know.
func (k Kind) Code() string {
	if c, ok := codes[k]; ok {
		return c
	}
	return "KIND_" + strconv.Itoa(int(k))
}

// String is Code.
func (k Kind) String() string { return k.Code() }

// Kinds gives every kind of this version with its code.
func Kinds() map[Kind]string {
	m := make(map[Kind]string, len(codes))
	for k, c := range codes {
		m[k] = c
	}
	return m
}
