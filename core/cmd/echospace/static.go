//go:build !js

package main

import (
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"os"
	"path"
	"strconv"
	"strings"
)

// static serves the files of a directory, for development: nothing is cached
// without asking, a file "x.br" or "x.gz" beside x (and no older) goes out
// instead of x to those who accept it, and no path with an element that starts
// with a dot exists. Directories are not listed; "/" is index.html. Symbolic
// links cannot lead out of root.
type static struct{ root *os.Root }

// encodings in order of preference.
var encodings = [...]struct{ name, suffix string }{{"br", ".br"}, {"gzip", ".gz"}}

func (s *static) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
	if name == "" || strings.HasSuffix(r.URL.Path, "/") {
		name = path.Join(name, "index.html")
	}
	f, info, encoding := s.open(name, r.Header.Get("Accept-Encoding"))
	if f == nil {
		http.NotFound(w, r)
		return
	}
	defer f.Close()
	h := w.Header()
	h.Set("Content-Type", contentType(name))
	h.Set("Cache-Control", "no-cache")
	h.Set("Vary", "Accept-Encoding")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("ETag", fmt.Sprintf(`"%x-%x%s"`, info.ModTime().UnixNano(), info.Size(), encoding))
	if encoding != "" {
		h.Set("Content-Encoding", encoding)
	}
	http.ServeContent(w, r, name, info.ModTime(), f)
}

// open opens the best form of a file; f is nil if there is none.
func (s *static) open(name, accept string) (f *os.File, info fs.FileInfo, encoding string) {
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") {
			return nil, nil, ""
		}
	}
	f, info = s.regular(name)
	if f == nil {
		return nil, nil, ""
	}
	for _, e := range encodings {
		if !accepts(accept, e.name) {
			continue
		}
		packed, packedInfo := s.regular(name + e.suffix)
		if packed == nil {
			continue
		}
		if packedInfo.ModTime().Before(info.ModTime()) { // of an earlier build
			_ = packed.Close()
			continue
		}
		_ = f.Close()
		return packed, packedInfo, e.name
	}
	return f, info, ""
}

// regular opens a regular file, or gives nil.
func (s *static) regular(name string) (*os.File, fs.FileInfo) {
	f, err := s.root.Open(name)
	if err != nil {
		return nil, nil
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		_ = f.Close()
		return nil, nil
	}
	return f, info
}

// accepts reads Accept-Encoding (RFC 9110, section 12.5.3), of which browsers
// use a list of names; a weight of zero refuses.
func accepts(header, name string) bool {
	for item := range strings.SplitSeq(header, ",") {
		coding, params, _ := strings.Cut(item, ";")
		if strings.EqualFold(strings.TrimSpace(coding), name) {
			weight, given := strings.CutPrefix(strings.TrimSpace(params), "q=")
			q, err := strconv.ParseFloat(weight, 64)
			return !given || err == nil && q > 0
		}
	}
	return false
}

// types are those that a page needs; the system's table may be wrong or empty.
var types = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
	".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8",
	".wasm": "application/wasm", ".json": "application/json", ".map": "application/json",
	".svg": "image/svg+xml", ".png": "image/png", ".ico": "image/x-icon",
	".txt": "text/plain; charset=utf-8", ".md": "text/plain; charset=utf-8", ".ts": "text/plain; charset=utf-8",
}

func contentType(name string) string {
	ext := strings.ToLower(path.Ext(name))
	if t, ok := types[ext]; ok {
		return t
	}
	if t := mime.TypeByExtension(ext); t != "" {
		return t
	}
	return "application/octet-stream"
}
