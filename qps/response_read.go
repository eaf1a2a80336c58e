package qps

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strconv"
)

// DecodeResponse reads an answer of any QPS platform. It is lenient: elements
// may be missing, in any order, single or repeated; numbers and booleans may be
// strings or native; data may be an array or an object. form is the form that
// was asked for; the first byte of the body overrules it.
//
// A response that reports an error decodes without error; see Response.Err.
// Errors mean that the body is no response, is cut off, or exceeds a limit, in
// which case ErrTooLarge is in the chain when it is the size. Records are read
// one by one, so that memory follows the model and not the document.
func DecodeResponse(r io.Reader, form Form) (*Response, error) {
	in := bufio.NewReader(&limitedReader{r: r, left: MaxResponseBytes})
	form, err := responseForm(in, form)
	if err != nil {
		return nil, err
	}
	resp := &Response{}
	b := &builder{root: responseElement, record: func(n *Node) error {
		rec, err := readRecord(n)
		if err != nil {
			return fmt.Errorf("%s %d: %w", shorten(n.Name), len(resp.Records)+1, err)
		}
		resp.Records = append(resp.Records, rec)
		return nil
	}}
	if form == XML {
		err = parseXML(in, b)
	} else {
		err = parseJSON(in, b)
	}
	if err != nil {
		return nil, fmt.Errorf("decode %v response: %w", form, err)
	}
	if err := readResponse(b.envelope(), resp); err != nil {
		return nil, fmt.Errorf("decode %v response: %w", form, err)
	}
	return resp, nil
}

// responseForm skips a byte order mark and white space and looks at what
// follows.
func responseForm(in *bufio.Reader, form Form) (Form, error) {
	if mark, err := in.Peek(3); err == nil && string(mark) == "\xEF\xBB\xBF" {
		if _, err := in.Discard(len(mark)); err != nil {
			return form, err
		}
	}
	for {
		first, err := in.Peek(1)
		if err != nil {
			return form, fmt.Errorf("decode response: the body is empty: %w", err)
		}
		if len(bytes.TrimSpace(first)) > 0 {
			break
		}
		if _, err := in.Discard(1); err != nil {
			return form, err
		}
	}
	switch first, err := in.Peek(1); {
	case err != nil:
		return form, err
	case first[0] == '<':
		return XML, nil
	case first[0] == '{':
		return JSON, nil
	}
	return form, nil
}

func readResponse(n *Node, resp *Response) error {
	code := n.Trimmed("responseCode")
	if code == "" {
		return fmt.Errorf("there is no responseCode")
	}
	resp.Code = ResponseCode(code)
	if details := n.Child("responseErrorDetails"); details != nil {
		resp.Error = &ErrorDetails{details.Value("errorMessage"), details.Value("errorResolution")}
	}
	if count, err := strconv.ParseInt(n.Trimmed("count"), 10, 64); err == nil {
		resp.Count, resp.HasCount = count, true
	}
	if n.Child("hasMoreRecords") != nil {
		more := n.boolean("hasMoreRecords")
		resp.HasMore = &more
	}
	resp.LastID = n.integer("lastId")
	return nil
}

// readID returns the id of a record. It is the one element whose absence is an
// error: actions are aimed by it.
func readID(n *Node) (int64, error) {
	text := n.Trimmed("id")
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("id %q is not an integer", shorten(text))
	}
	return id, nil
}

// limitedReader fails with ErrTooLarge instead of pretending the end.
type limitedReader struct {
	r    io.Reader
	left int64
}

func (l *limitedReader) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, int64(MaxResponseBytes))
	}
	if int64(len(p)) > l.left {
		p = p[:l.left]
	}
	n, err := l.r.Read(p)
	l.left -= int64(n)
	return n, err
}
