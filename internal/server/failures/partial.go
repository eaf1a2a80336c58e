package failures

import (
	"net/http"
	"strconv"
)

// partialWriter takes a whole answer and sends the beginning of it. It holds no
// more than that, and nothing is sent before the answer is complete.
type partialWriter struct {
	http.ResponseWriter
	keep   int // bytes to send
	status int
	held   []byte
	total  int
}

// WriteHeader remembers the first final status.
func (p *partialWriter) WriteHeader(status int) {
	if p.status == 0 && status >= http.StatusOK {
		p.status = status
	}
}

func (p *partialWriter) Write(b []byte) (int, error) {
	p.WriteHeader(http.StatusOK)
	p.held = append(p.held, b[:min(len(b), p.keep-len(p.held))]...)
	p.total += len(b)
	return len(b), nil
}

// Flush keeps http.ResponseController from sending what is held.
func (p *partialWriter) Flush() {}

// Unwrap is for http.ResponseController.
func (p *partialWriter) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// end sends what is to be sent. An answer that is not longer comes whole, but for
// one of which no byte is to come. A truncated one has the Content-Length of the
// whole and ends in good order; else the connection breaks.
func (p *partialWriter) end(truncate bool) {
	p.WriteHeader(http.StatusOK)
	whole := p.total <= p.keep
	if !truncate && (p.keep == 0 || !whole) {
		p.breakOff()
	}
	if p.total > 0 {
		p.Header().Set("Content-Length", strconv.Itoa(p.total))
	}
	p.ResponseWriter.WriteHeader(p.status)
	_, _ = p.ResponseWriter.Write(p.held) // a client that is gone cannot be told
}

// breakOff sends what is held, without the length of the whole, and breaks the
// connection.
func (p *partialWriter) breakOff() {
	if p.keep > 0 {
		p.Header().Del("Content-Length")
		p.ResponseWriter.WriteHeader(p.status)
		_, _ = p.ResponseWriter.Write(p.held)
		_ = http.NewResponseController(p.ResponseWriter).Flush()
	}
	panic(http.ErrAbortHandler)
}
