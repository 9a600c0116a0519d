//go:build js

package mnemonic

// normalize is the page's own affair: it has String.prototype.normalize, and the tables
// that Go takes for it would come with every page.
func normalize(text string) string { return text }
