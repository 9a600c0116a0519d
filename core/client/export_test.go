package client

import (
	"context"

	"github.com/echospace/echospace/core/objectdb"
	"github.com/echospace/echospace/core/space"
)

// Device is the client's device as a space needs it.
func (c *Client) Device() (space.Self, error) {
	s, me, err := c.mustSelf("client.test")
	if err != nil {
		return space.Self{}, err
	}
	return me.forSpace(s.slot), nil
}

// Adopt takes in a space as a guest does.
func (c *Client) Adopt(ctx context.Context, a space.Admission) error {
	s, _, err := c.mustSelf("client.test")
	if err == nil {
		_, err = s.adopt(ctx, a, false)
	}
	return err
}

// Uncovered counts the stored blocks that the last snapshot of an open space lacks.
func (sp *Space) Uncovered() int {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	return sp.run.news.blocks
}

// EditHeld runs edits of an open space that are stored together, if f makes several.
func (sp *Space) EditHeld(f func(db *objectdb.DB) error) error {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	defer sp.run.edited()
	return f(sp.core.DB())
}
