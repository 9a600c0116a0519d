package rtc

// peerConnection is an RTCPeerConnection with its one data channel, as the rest
// of the package sees it: the browser's in the page (platform_js.go), pion's
// natively (platform_notjs.go). newPeerConnection makes one.
//
// One goroutine makes the calls, except that send and bufferedAmount may come
// from any. The calls of the negotiation block until it is done.
type peerConnection interface {
	// listen sets the event handlers, once, before anything else is called.
	listen(h handlers)
	// signalingState is the word of the W3C's RTCSignalingState.
	signalingState() string
	// description gives the SDP in force or pending, "" if there is none.
	description(w which) string
	// offer and answer make a description and apply it locally.
	offer(restart bool) error
	answer() error
	// setRemote applies a description of the other side.
	setRemote(t signalType, sdp string) error
	// addCandidate takes a candidate-attribute of the one media section.
	addCandidate(text string) error
	// send queues a frame on the data channel; it copies it and does not block.
	send(frame []byte) error
	// bufferedAmount is how many bytes send queued that have not left.
	bufferedAmount() uint64
	// close ends everything; no handler is called after it.
	close() error
}

// which names a description of an RTCPeerConnection as the W3C does.
type which string

const (
	localDescription         which = "localDescription" // with the candidates found so far
	currentLocalDescription  which = "currentLocalDescription"
	currentRemoteDescription which = "currentRemoteDescription"
)

// Words of RTCSignalingState.
const (
	stateStable         = "stable"
	stateHaveLocalOffer = "have-local-offer"
)

// handlers are called when something happened, in order. They never wait.
type handlers struct {
	candidate func(text string)
	lost      func(state string) // the connection failed or was closed
	open      func()             // the data channel can be used
	closed    func()             // the data channel was closed
	message   func(data []byte)  // the handler keeps data; nil stands for text
	low       func()             // at most lowBuffered bytes are still buffered
}

const channelLabel = "echospace"
