package client

import (
	"context"
	"slices"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/objectdb"
)

// Device is a device of the identity, as its devices see it.
type Device struct {
	Key id.DeviceKey
	DeviceProfile
	Current bool // the one that this engine runs on
	Online  bool
	// KeyStorage is where the key of the current one is; of others it is not known.
	KeyStorage KeyStorage
}

// DeviceProfile is what a device says of itself to the others of its identity.
type DeviceProfile struct {
	Label string // what its owner calls it; may be empty
	Kind  string // a word for what it is, as BROWSER or NATIVE
}

// maxKind bounds a word for what a device is, in bytes.
const maxKind = 64

// UpdateDevice changes the label and the kind of this device; what is nil stays.
//
// Errors: errs.NotInitialized, errs.NoIdentity, errs.TooLarge, and those of storage.
func (c *Client) UpdateDevice(ctx context.Context, label, kind *string) error {
	const op = "halo.updateDevice"
	s, me, err := c.mustSelf(op)
	if err != nil {
		return err
	}
	h := s.keeper()
	var content haloContent
	if err := h.space.Objects(op, func(db *objectdb.DB) error { return content.read(db, nil) }); err != nil {
		return err
	}
	p, known := content.devices[me.device()]
	if !known {
		p = c.ports.Device
	}
	if label != nil {
		p.Label = *label
	}
	if kind != nil {
		p.Kind = *kind
	}
	if len(p.Label) > maxName || len(p.Kind) > maxKind {
		return errs.New(op, errs.TooLarge, "a label of %d and a kind of %d bytes, at most %d and %d are allowed", len(p.Label), len(p.Kind), maxName, maxKind)
	}
	var e haloEdits
	e.device(me.device(), p)
	if err := h.edit(e); err != nil {
		return err
	}
	if err := h.space.Flush(ctx, FlushStore); err != nil {
		return err
	}
	c.publishDevices(h)
	return nil
}

// keepDevice writes what this device is into the HALO, if nothing is there.
func (h *halo) keepDevice(c haloContent, e *haloEdits) {
	me, err := h.s.identity("halo")
	if err != nil {
		return
	}
	if _, there := c.devices[me.device()]; !there {
		e.device(me.device(), h.s.c.ports.Device)
	}
}

// publishDevices tells observers which the devices are.
func (c *Client) publishDevices(h *halo) {
	if h == nil || c.current() != h.s {
		return
	}
	if list, ok := h.devices(); ok && !slices.Equal(list, c.Devices.Get()) {
		c.Devices.Set(list)
	}
}

// devices gives the devices of the identity, this one first, then by their seniority;
// false while the HALO is closed.
func (h *halo) devices() (list []Device, ok bool) {
	sp := h.space
	sp.mu.Lock()
	defer sp.mu.Unlock()
	var content haloContent
	if sp.run == nil || content.read(sp.core.DB(), nil) != nil {
		return nil, false
	}
	online := map[id.DeviceKey]bool{}
	for _, info := range sp.run.sessions {
		online[info.Device] = true
	}
	self := sp.core.Self()
	profile := func(d id.DeviceKey) DeviceProfile {
		p, known := content.devices[d]
		if !known && d == self.Device {
			p = h.s.c.ports.Device
		}
		return p
	}
	list = []Device{{Key: self.Device, DeviceProfile: profile(self.Device), Current: true, Online: true, KeyStorage: storageOf(self.Signer)}}
	m, _ := sp.core.Membership().Identity(self.Identity)
	for _, d := range m.Devices {
		if d.Device != self.Device {
			list = append(list, Device{Key: d.Device, DeviceProfile: profile(d.Device), Online: online[d.Device]})
		}
	}
	return list, true
}
