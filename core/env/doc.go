// Package env carries what a domain package may not fetch for itself: wall
// time, randomness and a log. Timers are not here; they are package time's,
// which tests drive with testing/synctest.
package env
