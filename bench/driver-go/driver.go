package main

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// conn is a connection with room for calls. Whoever calls a method holds its lock, but for lock and close.
type conn interface {
	sync.Locker
	// begin starts a call, or says that there is no room for it.
	begin(dueNs int64) bool
	// flush sends what has begun.
	flush()
	openCalls() int
	// lose counts all open calls as failed.
	lose(why string)
	// counts is what was counted since the start.
	counts() *tally
	close()
	// prepare makes it ready for another load.
	prepare(l *load, inFlight int) error
}

const (
	stopped int32 = iota
	closedLoop
	openLoop
)

const lastAnswer = 17 * time.Second

// driver keeps connections and gives them calls.
type driver struct {
	number  int
	lastID  atomic.Uint64
	mode    atomic.Int32
	conns   []conn
	load    *load
	startNs int64
	pace    *pace
	next    int
	// Calls that are due and found no room, oldest first.
	backlogLock sync.Mutex
	backlog     []int64
}

func (d *driver) callID() string {
	return fmt.Sprintf("%04x-%011x", d.number, d.lastID.Add(1))
}

func (d *driver) disconnect() {
	d.mode.Store(stopped)
	for _, c := range d.conns {
		c.close()
	}
	d.conns = nil
}

func (d *driver) connect(order command) error {
	d.disconnect()
	for range order.Connections {
		c, err := d.dial(order)
		if err != nil {
			return fmt.Errorf("connection %d: %w", len(d.conns)+1, err)
		}
		d.conns = append(d.conns, c)
	}
	return nil
}

func (d *driver) dial(order command) (conn, error) {
	if order.HTTP == "2" {
		return dialHTTP2(d, order)
	}
	if order.TLS {
		return nil, errors.New("TLS is for HTTP/2 here")
	}
	return dialHTTP1(d, order)
}

func (d *driver) prepare(order command) error {
	d.load = &order.Load
	d.backlog = nil
	d.next = 0
	for _, c := range d.conns {
		c.Lock()
		err := c.prepare(d.load, order.InFlight)
		c.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *driver) start(order command) error {
	if err := d.prepare(order); err != nil {
		return err
	}
	d.startNs = nowNs()
	d.pace = nil
	if order.PerSecond > 0 {
		d.mode.Store(openLoop)
		d.pace = startPace(order.PerSecond, d.due)
		return nil
	}
	d.mode.Store(closedLoop)
	for _, c := range d.conns {
		c.Lock()
		for range order.InFlight {
			c.begin(nowNs())
		}
		c.flush()
		c.Unlock()
	}
	return nil
}

// due starts a call on the next connection with room.
func (d *driver) due(dueNs int64) {
	for range d.conns {
		c := d.conns[d.next%len(d.conns)]
		d.next++
		c.Lock()
		begun := c.begin(dueNs)
		if begun {
			c.flush()
		}
		c.Unlock()
		if begun {
			return
		}
	}
	d.backlogLock.Lock()
	d.backlog = append(d.backlog, dueNs)
	d.backlogLock.Unlock()
}

// after is called with the lock of a connection on which a call has ended.
func (d *driver) after(c conn) {
	switch d.mode.Load() {
	case closedLoop:
		c.begin(nowNs())
	case openLoop:
		d.backlogLock.Lock()
		defer d.backlogLock.Unlock()
		if len(d.backlog) > 0 && c.begin(d.backlog[0]) {
			d.backlog = d.backlog[1:]
		}
	}
}

func (d *driver) stop() *report {
	r := &report{Faults: []string{}}
	if d.pace != nil {
		d.pace.stop()
		r.Planned = d.pace.planned
		slices.Sort(d.pace.lags)
		r.LagP99Ms = percentileMs(d.pace.lags, 0.99)
		r.LagMaxMs = percentileMs(d.pace.lags, 1)
	}
	stoppedNs := nowNs()
	isLate := func() bool { return nowNs()-stoppedNs > int64(lastAnswer) }
	if d.mode.Load() == openLoop {
		// What is due must be made: the calls left out would be the slowest ones.
		for d.waiting() > 0 && !isLate() {
			time.Sleep(time.Millisecond)
		}
	}
	d.mode.Store(stopped)
	for d.open() > 0 && !isLate() {
		time.Sleep(time.Millisecond)
	}
	r.Seconds = float64(nowNs()-d.startNs) / 1e9
	var latencies []int64
	for _, c := range d.conns {
		c.Lock()
		c.lose("no answer in " + lastAnswer.String())
		r.add(c.counts())
		latencies = append(latencies, c.counts().latencies...)
		c.Unlock()
	}
	slices.Sort(latencies)
	r.P50Ms = percentileMs(latencies, 0.5)
	r.P99Ms = percentileMs(latencies, 0.99)
	r.P999Ms = percentileMs(latencies, 0.999)
	r.MaxMs = percentileMs(latencies, 1)
	return r
}

func (d *driver) waiting() int {
	d.backlogLock.Lock()
	defer d.backlogLock.Unlock()
	return len(d.backlog)
}

func (d *driver) open() int {
	sum := 0
	for _, c := range d.conns {
		c.Lock()
		sum += c.openCalls()
		c.Unlock()
	}
	return sum
}

// holding says how many streams are open and have brought their messages.
type holding struct {
	Open     int      `json:"open"`
	Messages int      `json:"messages"`
	Failed   int      `json:"failed"`
	Faults   []string `json:"faults"`
}

const lastMessage = 30 * time.Second

// hold opens streams, spread over the connections, and waits until each has brought its messages. They stay open.
func (d *driver) hold(order command) (*holding, error) {
	perConnection := (order.Streams + len(d.conns) - 1) / len(d.conns)
	order.InFlight = perConnection
	if err := d.prepare(order); err != nil {
		return nil, err
	}
	d.mode.Store(stopped)
	left := order.Streams
	for _, c := range d.conns {
		// A few at a time: what a burst costs is not what streams cost.
		for range min(perConnection, left) {
			c.Lock()
			begun := c.begin(nowNs())
			c.flush()
			c.Unlock()
			if !begun {
				return nil, errors.New("a connection has no room")
			}
			left--
			if left%50 == 0 {
				time.Sleep(5 * time.Millisecond)
			}
		}
	}
	startNs := nowNs()
	for {
		held := d.held()
		if held.Messages >= order.Streams*order.Load.expectedMessages() || held.Failed > 0 {
			return held, nil
		}
		if nowNs()-startNs > int64(lastMessage) {
			return nil, fmt.Errorf("%d streams have brought %d messages", held.Open, held.Messages)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (d *driver) held() *holding {
	r := &report{Faults: []string{}}
	for _, c := range d.conns {
		c.Lock()
		r.add(c.counts())
		c.Unlock()
	}
	return &holding{Open: d.open(), Messages: r.Messages, Failed: r.Failed, Faults: r.Faults}
}
