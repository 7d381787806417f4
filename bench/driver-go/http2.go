package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// What Chromium's pages take: none of the works shall wait for a window of the driver's.
const (
	streamWindow     = 6 << 20
	connectionWindow = 15 << 20
)

// http2Conn carries many calls at a time. It reads frames by itself: at a hundred thousand calls a second a client
// library would be the bottleneck.
type http2Conn struct {
	sync.Mutex
	driver    *driver
	net       net.Conn
	reader    *bufio.Reader
	scheme    string
	authority string
	out       []byte

	encoder    *hpack.Encoder
	encoded    bytes.Buffer
	decoder    *hpack.Decoder
	decoding   *answer
	maxStreams int
	sendWindow int
	taken      int
	hasGreeted chan struct{}

	load     *load
	inFlight int
	// The field block of the load, once it comes out the same each time.
	block    []byte
	isStable bool
	body     []byte

	nextID uint32
	open   map[uint32]*answer
	spare  []*answer
	// Calls that wait for the peer's window.
	waiting  []int64
	isClosed bool
	why      string
	tally    tally

	fragment       []byte
	fragmentStream uint32
	fragmentEnds   bool
}

func dialHTTP2(d *driver, order command) (conn, error) {
	authority := fmt.Sprintf("127.0.0.1:%d", order.Port)
	socket, err := net.Dial("tcp", authority)
	if err != nil {
		return nil, err
	}
	c := &http2Conn{
		driver: d, net: socket, scheme: "http", authority: authority, nextID: 1, sendWindow: 65_535,
		maxStreams: math.MaxInt32, hasGreeted: make(chan struct{}), open: map[uint32]*answer{},
	}
	if order.TLS {
		secure := tls.Client(socket, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
		if err := secure.Handshake(); err != nil {
			return nil, err
		}
		if protocol := secure.ConnectionState().NegotiatedProtocol; protocol != "h2" {
			return nil, fmt.Errorf("ALPN brought %q", protocol)
		}
		c.net = secure
		c.scheme = "https"
	}
	c.reader = bufio.NewReaderSize(c.net, bufferBytes(order))
	c.encoder = hpack.NewEncoder(&c.encoded)
	c.decoder = hpack.NewDecoder(4096, func(field hpack.HeaderField) {
		if c.decoding != nil {
			c.decoding.field(field.Name, field.Value)
		}
	})
	if err := c.greet(); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *http2Conn) greet() error {
	var greeting bytes.Buffer
	greeting.WriteString(http2.ClientPreface)
	framer := http2.NewFramer(&greeting, nil)
	_ = framer.WriteSettings(
		http2.Setting{ID: http2.SettingEnablePush, Val: 0},
		http2.Setting{ID: http2.SettingInitialWindowSize, Val: streamWindow},
	)
	_ = framer.WriteWindowUpdate(0, connectionWindow-65_535)
	if _, err := c.net.Write(greeting.Bytes()); err != nil {
		return err
	}
	go c.run()
	select {
	case <-c.hasGreeted:
		return nil
	case <-time.After(5 * time.Second):
		return errors.New("no SETTINGS in 5 s")
	}
}

func (c *http2Conn) prepare(l *load, inFlight int) error {
	if c.isClosed {
		return fmt.Errorf("a connection was lost before the start: %s", c.why)
	}
	if inFlight > c.maxStreams {
		return fmt.Errorf("%d streams per connection are asked for, the peer allows %d", inFlight, c.maxStreams)
	}
	c.load = l
	c.inFlight = inFlight
	c.tally = tally{}
	c.isStable = false
	c.block = nil
	c.body = l.request(make([]byte, callIDBytes))
	return nil
}

func (c *http2Conn) begin(dueNs int64) bool {
	if c.isClosed || len(c.open)+len(c.waiting) >= c.inFlight {
		return false
	}
	c.tally.started++
	if c.sendWindow < len(c.body) {
		c.waiting = append(c.waiting, dueNs)
		return true
	}
	c.send(dueNs)
	return true
}

func (c *http2Conn) send(dueNs int64) {
	c.sendWindow -= len(c.body)
	id := c.nextID
	c.nextID += 2
	a := c.takeSpare()
	callID := c.driver.callID()
	a.begin(c.load, callID, dueNs)
	c.open[id] = a
	block := c.encodeHead()
	c.frameHead(len(block), http2.FrameHeaders, http2.FlagHeadersEndHeaders, id)
	c.out = append(c.out, block...)
	c.frameHead(len(c.body), http2.FrameData, http2.FlagDataEndStream, id)
	c.out = append(c.out, c.body...)
	// Prefix, tag and length stand before it.
	copy(c.out[len(c.out)-len(c.body)+7:], callID)
}

func (c *http2Conn) takeSpare() *answer {
	if last := len(c.spare) - 1; last >= 0 {
		a := c.spare[last]
		c.spare = c.spare[:last]
		return a
	}
	return &answer{}
}

// encodeHead lets HPACK work until its table holds all of the head: from then on the block does not change.
func (c *http2Conn) encodeHead() []byte {
	if c.isStable {
		return c.block
	}
	c.encoded.Reset()
	for _, field := range c.load.http2Head(c.scheme, c.authority, len(c.body)) {
		_ = c.encoder.WriteField(field)
	}
	c.isStable = bytes.Equal(c.block, c.encoded.Bytes())
	c.block = append([]byte(nil), c.encoded.Bytes()...)
	return c.block
}

func (c *http2Conn) frameHead(length int, kind http2.FrameType, flags http2.Flags, id uint32) {
	c.out = append(c.out, byte(length>>16), byte(length>>8), byte(length), byte(kind), byte(flags))
	c.out = binary.BigEndian.AppendUint32(c.out, id)
}

func (c *http2Conn) flush() {
	if len(c.out) == 0 {
		return
	}
	if _, err := c.net.Write(c.out); err != nil {
		_ = c.net.Close()
	}
	c.out = c.out[:0]
}

func (c *http2Conn) openCalls() int { return len(c.open) + len(c.waiting) }

func (c *http2Conn) lose(why string) {
	for range c.openCalls() {
		c.tally.fail(why)
	}
	clear(c.open)
	c.waiting = nil
}

func (c *http2Conn) counts() *tally { return &c.tally }

func (c *http2Conn) close() {
	c.Lock()
	c.isClosed = true
	c.Unlock()
	_ = c.net.Close()
}

func (c *http2Conn) run() {
	err := c.read()
	c.Lock()
	defer c.Unlock()
	_ = c.net.Close()
	if c.isClosed {
		return
	}
	c.isClosed = true
	c.why = err.Error()
	// Counted also when no call was open: a load on fewer connections is another load.
	c.tally.fail("a connection was lost: " + c.why)
	c.lose("the connection was lost: " + c.why)
}

// read takes all frames that are there under one lock, and answers them with one write.
func (c *http2Conn) read() error {
	for {
		if _, err := c.reader.Peek(9); err != nil {
			return err
		}
		c.Lock()
		err := c.takeBuffered()
		c.flush()
		c.Unlock()
		if err != nil {
			return err
		}
	}
}

func (c *http2Conn) takeBuffered() error {
	for c.reader.Buffered() >= 9 {
		head, _ := c.reader.Peek(9)
		length := int(head[0])<<16 | int(head[1])<<8 | int(head[2])
		if length > 16_384 {
			return fmt.Errorf("a frame of %d bytes", length)
		}
		if c.reader.Buffered() < 9+length {
			// The rest comes soon; what waits to be sent need not.
			c.flush()
		}
		whole, err := c.reader.Peek(9 + length)
		if err != nil {
			return err
		}
		id := binary.BigEndian.Uint32(whole[5:]) & math.MaxInt32
		if err := c.frame(http2.FrameType(whole[3]), http2.Flags(whole[4]), id, whole[9:]); err != nil {
			return err
		}
		_, _ = c.reader.Discard(9 + length)
	}
	return nil
}

func (c *http2Conn) frame(kind http2.FrameType, flags http2.Flags, id uint32, payload []byte) error {
	switch kind {
	case http2.FrameData:
		return c.onData(flags, id, payload)
	case http2.FrameHeaders:
		return c.onHeaders(flags, id, payload)
	case http2.FrameContinuation:
		c.fragment = append(c.fragment, payload...)
		return c.onFields(flags, id)
	case http2.FrameRSTStream:
		if a := c.open[id]; a != nil {
			a.wrong("reset with code %d", binary.BigEndian.Uint32(payload))
			c.finish(id, a)
		}
	case http2.FrameSettings:
		return c.onSettings(flags, payload)
	case http2.FramePing:
		if flags&http2.FlagPingAck == 0 {
			c.frameHead(8, http2.FramePing, http2.FlagPingAck, 0)
			c.out = append(c.out, payload...)
		}
	case http2.FrameGoAway:
		return fmt.Errorf("GOAWAY with code %d, %s", binary.BigEndian.Uint32(payload[4:]), payload[8:])
	case http2.FrameWindowUpdate:
		c.onWindow(id, int(binary.BigEndian.Uint32(payload)&math.MaxInt32))
	}
	return nil
}

func (c *http2Conn) onWindow(id uint32, bytes int) {
	if id != 0 {
		return
	}
	c.sendWindow += bytes
	for len(c.waiting) > 0 && c.sendWindow >= len(c.body) {
		dueNs := c.waiting[0]
		c.waiting = c.waiting[1:]
		c.send(dueNs)
	}
}

func (c *http2Conn) onSettings(flags http2.Flags, payload []byte) error {
	if flags&http2.FlagSettingsAck != 0 {
		return nil
	}
	for ; len(payload) >= 6; payload = payload[6:] {
		value := binary.BigEndian.Uint32(payload[2:])
		switch http2.SettingID(binary.BigEndian.Uint16(payload)) {
		case http2.SettingMaxConcurrentStreams:
			c.maxStreams = int(min(value, math.MaxInt32))
		case http2.SettingHeaderTableSize:
			c.encoder.SetMaxDynamicTableSizeLimit(value)
			c.isStable = false
		case http2.SettingInitialWindowSize:
			if value < 1024 {
				return fmt.Errorf("streams begin with a window of %d bytes", value)
			}
		}
	}
	c.frameHead(0, http2.FrameSettings, http2.FlagSettingsAck, 0)
	select {
	case <-c.hasGreeted:
	default:
		close(c.hasGreeted)
	}
	return nil
}

func (c *http2Conn) onHeaders(flags http2.Flags, id uint32, payload []byte) error {
	if flags&(http2.FlagHeadersPadded|http2.FlagHeadersPriority) != 0 {
		return errors.New("padding or priority that no peer of ours sends")
	}
	c.fragment = append(c.fragment[:0], payload...)
	c.fragmentStream = id
	c.fragmentEnds = flags&http2.FlagHeadersEndStream != 0
	return c.onFields(flags, id)
}

func (c *http2Conn) onFields(flags http2.Flags, id uint32) error {
	if id != c.fragmentStream {
		return errors.New("CONTINUATION of another stream")
	}
	if flags&http2.FlagHeadersEndHeaders == 0 {
		return nil
	}
	a := c.open[id]
	c.decoding = a
	if _, err := c.decoder.Write(c.fragment); err != nil {
		return err
	}
	if err := c.decoder.Close(); err != nil {
		return err
	}
	if a != nil && c.fragmentEnds {
		c.finish(id, a)
	}
	return nil
}

func (c *http2Conn) onData(flags http2.Flags, id uint32, payload []byte) error {
	c.taken += len(payload)
	if c.taken > connectionWindow/2 {
		c.grant(0, c.taken)
		c.taken = 0
	}
	a := c.open[id]
	if a == nil {
		return nil
	}
	if flags&http2.FlagDataPadded != 0 {
		return errors.New("padding that no peer of ours sends")
	}
	before := a.messages
	a.data(payload)
	c.tally.messages += a.messages - before
	if flags&http2.FlagDataEndStream != 0 {
		c.finish(id, a)
		return nil
	}
	a.taken += len(payload)
	if a.taken > streamWindow/2 {
		c.grant(id, a.taken)
		a.taken = 0
	}
	return nil
}

func (c *http2Conn) grant(id uint32, bytes int) {
	c.frameHead(4, http2.FrameWindowUpdate, 0, id)
	c.out = binary.BigEndian.AppendUint32(c.out, uint32(bytes))
}

func (c *http2Conn) finish(id uint32, a *answer) {
	delete(c.open, id)
	c.tally.ended(a, a.end())
	c.spare = append(c.spare, a)
	c.driver.after(c)
}
