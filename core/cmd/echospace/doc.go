// Command echospace is the one native binary of Echospace.
//
//	echospace relay --listen 127.0.0.1:8080    introduces peers
//	echospace dev --listen 127.0.0.1:8000      serves a checkout's page, with a relay beside it
//	echospace verify FILE --nonce HEX          prints what a presentation of credentials shows
//	echospace version
//
// relay and dev print exactly one line on standard output once they serve,
// "relay ws://HOST:PORT/relay" or "page http://HOST:PORT/", and log to standard
// error. verify prints one fact a line; its status is 1 if the presentation does
// not hold. SIGTERM and SIGINT drain and end them with status 0.
package main
