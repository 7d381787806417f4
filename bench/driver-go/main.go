// A driver for loads that a driver in Node would be too slow, or too unsteady, for: gRPC-Web and gRPC over HTTP/2 (also
// with TLS) and gRPC-Web over HTTP/1.1; closed loops, open loops measured from the moment a call was due, server streams
// and streams that stay open. It believes no answer before it has looked at every byte of it.
//
// Standard output first carries {"ready":true}. After that each line of JSON on standard input is answered with one, and
// the end of standard input ends the process.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
)

type command struct {
	Do          string
	Port        int
	TLS         bool
	HTTP        string
	Connections int
	Load        load
	// Calls at once per connection, in a closed loop at all times, in an open one at most.
	InFlight int
	// 0 is a closed loop.
	PerSecond float64
	// Streams to open and hold.
	Streams int
}

func main() {
	number := flag.Int("driver", 1, "sets the call ids apart from those of other drivers")
	flag.Parse()
	// A pause of the collector would look like one of the subject. What a run holds is small.
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(1 << 30)
	// On one core too, one for the thread that keeps the pace, one for the connections.
	runtime.GOMAXPROCS(2)
	driver := &driver{number: *number}
	output := json.NewEncoder(os.Stdout)
	_ = output.Encode(map[string]bool{"ready": true})
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var order command
		if err := json.Unmarshal(lines.Bytes(), &order); err != nil {
			_ = output.Encode(map[string]string{"error": err.Error()})
			continue
		}
		answer, err := driver.do(order)
		if err != nil {
			answer = map[string]string{"error": err.Error()}
		}
		_ = output.Encode(answer)
	}
	driver.disconnect()
}

func (d *driver) do(order command) (any, error) {
	nothing := struct{}{}
	switch order.Do {
	case "connect":
		return nothing, d.connect(order)
	case "start":
		return nothing, d.start(order)
	case "stop":
		return d.stop(), nil
	case "hold":
		return d.hold(order)
	case "held":
		return d.held(), nil
	case "disconnect":
		d.disconnect()
		return nothing, nil
	}
	return nil, fmt.Errorf("there is no command %q", order.Do)
}
