package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
)

// http1Conn carries one call at a time.
type http1Conn struct {
	sync.Mutex
	driver    *driver
	net       net.Conn
	reader    *bufio.Reader
	authority string
	load      *load
	request   []byte
	idAt      int
	answer    answer
	isBusy    bool
	isClosed  bool
	isUnsent  bool
	tally     tally
}

func dialHTTP1(d *driver, order command) (conn, error) {
	authority := fmt.Sprintf("127.0.0.1:%d", order.Port)
	socket, err := net.Dial("tcp", authority)
	if err != nil {
		return nil, err
	}
	c := &http1Conn{driver: d, net: socket, authority: authority, reader: bufio.NewReaderSize(socket, bufferBytes(order))}
	go c.run()
	return c, nil
}

// bufferBytes is enough for a frame of HTTP/2, and larger where connections are few.
func bufferBytes(order command) int {
	if order.Connections > 512 {
		return 17 * 1024
	}
	return 64 * 1024
}

func (c *http1Conn) prepare(l *load, _ int) error {
	if c.isBusy || c.isClosed {
		return fmt.Errorf("a connection is not idle before the start: closed %t", c.isClosed)
	}
	placeholder := c.driver.callID()
	c.load = l
	c.tally = tally{}
	c.request = l.http1Request(c.authority, l.request([]byte(placeholder)))
	c.idAt = bytes.Index(c.request, []byte(placeholder))
	return nil
}

func (c *http1Conn) begin(dueNs int64) bool {
	if c.isBusy || c.isClosed {
		return false
	}
	c.isBusy = true
	c.isUnsent = true
	callID := c.driver.callID()
	copy(c.request[c.idAt:], callID)
	c.answer.begin(c.load, callID, dueNs)
	c.tally.started++
	return true
}

func (c *http1Conn) flush() {
	if !c.isUnsent {
		return
	}
	c.isUnsent = false
	if _, err := c.net.Write(c.request); err != nil {
		_ = c.net.Close()
	}
}

func (c *http1Conn) openCalls() int {
	if c.isBusy {
		return 1
	}
	return 0
}

func (c *http1Conn) lose(why string) {
	if c.isBusy {
		c.isBusy = false
		c.tally.fail(why)
	}
}

func (c *http1Conn) counts() *tally { return &c.tally }

func (c *http1Conn) close() {
	c.Lock()
	c.isClosed = true
	c.Unlock()
	_ = c.net.Close()
}

func (c *http1Conn) run() {
	err := c.read()
	c.Lock()
	defer c.Unlock()
	if !c.isClosed {
		c.tally.fail("the connection was lost: " + err.Error())
		c.isBusy = false
	}
	c.isClosed = true
	_ = c.net.Close()
}

// read reads answers until one makes no sense, or the connection ends.
func (c *http1Conn) read() error {
	for {
		if _, err := c.reader.Peek(1); err != nil {
			return err
		}
		c.Lock()
		isBusy := c.isBusy
		c.Unlock()
		if !isBusy {
			return fmt.Errorf("bytes that nobody asked for")
		}
		if err := c.readAnswer(); err != nil {
			return err
		}
		c.Lock()
		c.tally.ended(&c.answer, c.answer.end())
		c.isBusy = false
		c.driver.after(c)
		c.flush()
		c.Unlock()
	}
}

func (c *http1Conn) readAnswer() error {
	line, err := c.line()
	if err != nil {
		return err
	}
	if len(line) < 12 {
		return fmt.Errorf("a status line %q", line)
	}
	c.answer.field(":status", line[9:12])
	length, isChunked := -1, false
	for {
		if line, err = c.line(); err != nil {
			return err
		}
		if line == "" {
			break
		}
		name, value, _ := strings.Cut(line, ":")
		name, value = strings.ToLower(name), strings.TrimSpace(value)
		switch name {
		case "content-length":
			if length, err = strconv.Atoi(value); err != nil {
				return err
			}
		case "transfer-encoding":
			isChunked = value == "chunked"
		default:
			c.answer.field(name, value)
		}
	}
	if isChunked {
		return c.readChunks()
	}
	if length < 0 {
		return fmt.Errorf("an answer without a length")
	}
	return c.readBody(length)
}

func (c *http1Conn) readChunks() error {
	for {
		line, err := c.line()
		if err != nil {
			return err
		}
		length, err := strconv.ParseUint(line, 16, 31)
		if err != nil {
			return err
		}
		if err := c.readBody(int(length)); err != nil {
			return err
		}
		if line, err = c.line(); err != nil || line != "" {
			return fmt.Errorf("a chunk that does not end: %q, %w", line, err)
		}
		if length == 0 {
			return nil
		}
	}
}

// readBody gives the answer what comes as it comes: a stream is looked at while it is open.
func (c *http1Conn) readBody(length int) error {
	for length > 0 {
		if _, err := c.reader.Peek(1); err != nil {
			return noEnd(err)
		}
		piece, err := c.reader.Peek(min(length, c.reader.Buffered()))
		if err != nil {
			return noEnd(err)
		}
		c.Lock()
		before := c.answer.messages
		c.answer.data(piece)
		c.tally.messages += c.answer.messages - before
		c.Unlock()
		length -= len(piece)
		_, _ = c.reader.Discard(len(piece))
	}
	return nil
}

func (c *http1Conn) line() (string, error) {
	line, err := c.reader.ReadSlice('\n')
	if err != nil {
		return "", noEnd(err)
	}
	return string(bytes.TrimRight(line, "\r\n")), nil
}

func noEnd(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
