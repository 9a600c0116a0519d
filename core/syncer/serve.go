package syncer

import (
	"slices"

	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
)

const (
	// readAhead is aimed at per Read, of which each peer has one at a time.
	readAhead = 256 << 10
	maxServes = 256
)

// serve is the answer to a Want under way.
type serve struct {
	feed   id.FeedID
	at, to feed.Ref
	header bool
	packed bool // repacks may be sent
	sent   int
}

// onWant begins an answer, instead of one under way for the same feed.
func (s *Syncer) onWant(p *peer, m wantMessage) error {
	fs := s.feeds[m.Feed]
	nack := func(code uint64) error {
		s.send(p, nackMessage{m.Feed, m.To, code}.encode())
		return nil
	}
	if fs == nil || fs.log == nil || !p.allows(fs) || !fs.log.Has(m.To) {
		return nack(nackUnavailable)
	}
	var from feed.Ref
	linked := false
	for _, at := range m.Points {
		if (!linked || at.Seq > from.Seq) && fs.log.Contains(m.To, at) {
			from, linked = at, true
		}
	}
	if !linked {
		return nack(nackNoLink)
	}
	if from == m.To {
		return nack(nackUnavailable)
	}
	if len(p.serves) >= maxServes {
		return misbehaved("more than %d wants at once", maxServes)
	}
	p.serves = slices.DeleteFunc(p.serves, func(sv *serve) bool { return sv.feed == m.Feed })
	p.serves = append(p.serves, &serve{feed: m.Feed, at: from, to: m.To, header: m.Flags&wantHeader != 0, packed: m.Flags&wantRepacks != 0})
	return nil
}

// cancelServes ends the answers that the peer no longer needs.
func (s *Syncer) cancelServes(p *peer, fs *feedState) {
	p.serves = slices.DeleteFunc(p.serves, func(sv *serve) bool {
		return sv.feed == fs.id && slices.ContainsFunc(p.heads[fs.id], func(h feed.Ref) bool { return fs.log.Contains(h, sv.to) })
	})
}

// pump sends bulk as far as the credit goes, and reads the next.
func (s *Syncer) pump(p *peer) {
	for len(p.bulk) > 0 && p.credit > 0 {
		data := p.bulk[0]
		p.bulk[0] = nil
		p.bulk = p.bulk[1:]
		p.bulkSize -= len(data)
		p.credit -= len(data)
		s.out.Messages = append(s.out.Messages, Message{Peer: p.id, Data: data, Bulk: true})
	}
	if p.readID != 0 || p.bulkSize >= readAhead/2 || p.credit <= 0 || len(p.serves) == 0 {
		return
	}
	sv := p.serves[0]
	for _, other := range p.serves {
		if s.feeds[other.feed].kind == feed.Control {
			sv = other
			break
		}
	}
	s.reads++
	p.readID, p.reading = s.reads, sv
	s.out.Reads = append(s.out.Reads, Read{ID: s.reads, Peer: p.id, Feed: sv.feed, From: sv.at, To: s.feeds[sv.feed].next(sv), Repacks: sv.packed})
}

// next gives the end of the next Read: so many blocks on as are likely to fill
// it.
func (fs *feedState) next(sv *serve) feed.Ref {
	n := uint64(min(max(readAhead/fs.average, 1), 4096))
	if seq := sv.at.Seq + n; seq < sv.to.Seq {
		if r, ok := fs.log.At(sv.to, seq); ok {
			return r
		}
	}
	return sv.to
}

// ReadDone gives the encoded blocks of a Read, in order; fewer if some could
// not be read. ends, which may be nil, names the last place that each of them fills,
// if repacks are among them. It keeps the blocks.
func (s *Syncer) ReadDone(r Read, blocks [][]byte, ends []feed.Ref) {
	p := s.peers[r.Peer]
	if p == nil || p.readID != r.ID {
		return
	}
	sv := p.reading
	p.readID, p.reading = 0, nil
	if !slices.Contains(p.serves, sv) {
		return // no longer needed
	}
	fs := s.feeds[r.Feed]
	refs, _ := fs.log.Path(r.From, r.To)
	complete := len(blocks) >= len(refs)
	if ends != nil {
		refs = ends[:min(len(ends), len(blocks))]
		complete = len(refs) > 0 && refs[len(refs)-1].Seq >= r.To.Seq
	}
	refs = refs[:min(len(refs), len(blocks))]
	over := s.bundle(p, fs, sv, refs, blocks)
	if !complete || len(refs) == 0 {
		s.stop(p, sv)
		p.queue(nackMessage{fs.id, sv.to, nackUnavailable}.encode())
		return
	}
	if over {
		s.stop(p, sv)
		s.note(p, fs, sv.at)
	}
}

func (s *Syncer) stop(p *peer, sv *serve) {
	p.serves = slices.DeleteFunc(p.serves, func(x *serve) bool { return x == sv })
}

// queue appends to the bulk.
func (p *peer) queue(data []byte) {
	p.bulk = append(p.bulk, data)
	p.bulkSize += len(data)
}

// bundle makes messages of blocks; over tells that the answer ended with them.
func (s *Syncer) bundle(p *peer, fs *feedState, sv *serve, refs []feed.Ref, blocks [][]byte) (over bool) {
	total := 0
	for len(refs) > 0 && !over {
		n, size := 0, 0
		for n < len(refs) && (n == 0 || size+len(blocks[n]) <= maxBundle) {
			size += len(blocks[n])
			n++
		}
		total += size
		sv.sent += size
		places := int(refs[n-1].Seq - sv.at.Seq)
		sv.at = refs[n-1]
		m := runMessage{Feed: fs.id, To: sv.at, Blocks: blocks[:n]}
		if sv.header {
			m.Header, sv.header = fs.header.Encode(), false
		}
		if !signed(blocks[n-1]) {
			m.Flags |= runMore
			s.extend(fs, sv)
		}
		if over = sv.at.Seq >= sv.to.Seq || m.Flags&runMore == 0 && sv.sent >= maxAnswer; over {
			m.Flags |= runLast
		}
		p.queue(m.encode())
		fs.average = max(1, (3*fs.average+size/max(places, 1))/4)
		refs, blocks = refs[n:], blocks[n:]
	}
	return over
}

// extend has an answer that would end at an unsigned block go on to the head
// of its line.
func (s *Syncer) extend(fs *feedState, sv *serve) {
	if sv.at != sv.to {
		return
	}
	for _, h := range fs.log.Heads() {
		if fs.log.Contains(h, sv.to) {
			sv.to = h
		}
	}
}

// push sends fresh own blocks at once, if they are small and the peer is
// believed to hold what they follow.
func (s *Syncer) push(p *peer, fs *feedState, refs []feed.Ref, live [][]byte) bool {
	if !p.allows(fs) || !p.whole || len(refs) == 0 || len(live) != len(refs) {
		return false
	}
	header := fs.header.Encode()
	size := len(header)
	for _, b := range live {
		size += len(b)
	}
	last := refs[len(refs)-1]
	if size > maxBundle || !signed(live[len(live)-1]) {
		return false
	}
	m := runMessage{Feed: fs.id, To: last, Blocks: live}
	prev, ok := fs.log.At(last, refs[0].Seq-1)
	if !ok {
		return false
	}
	holds := func(h feed.Ref) bool { return h.Seq > 0 && fs.log.Contains(h, prev) }
	switch {
	case prev.Seq == 0:
		m.Header = header // the feed begins here
	case !holds(p.sent[fs.id]) && !slices.ContainsFunc(p.heads[fs.id], holds):
		return false
	}
	p.sent[fs.id] = last
	s.send(p, m.encode())
	return true
}
