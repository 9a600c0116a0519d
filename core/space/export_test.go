package space

import "github.com/echospace/echospace/core/id"

// Assured is up to which place an image that was taken in assures a control feed.
func (s *Space) Assured(f id.FeedID) uint64 { return s.feeds[f].assured.Seq }
