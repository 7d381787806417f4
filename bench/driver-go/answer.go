package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

const noCode = -1

// answer judges the answer of one call while it comes, cut anywhere.
type answer struct {
	load   *load
	callID [callIDBytes]byte
	// When the call was due, and when it ended, in nanoseconds since the driver began.
	dueNs int64
	// Number of the message awaited, and its bytes but for the number.
	messages int
	expected []byte
	rest     []byte
	status   int
	code     int
	// Behind the frame of trailers nothing may come.
	isOver bool
	// Of grpc-message; some servers send one with status 0 too.
	reason string
	fault  string
	// Bytes of HTTP/2's window that the peer has used up and not got back.
	taken int
}

func (a *answer) begin(l *load, callID string, dueNs int64) {
	copy(a.callID[:], callID)
	if a.load != l {
		a.load = l
		a.expected = l.answerOf(a.callID[:], 0)
	}
	a.dueNs = dueNs
	a.messages = 0
	a.rest = a.rest[:0]
	a.status = 0
	a.code = noCode
	a.isOver = false
	a.fault = ""
	a.reason = ""
	a.taken = 0
	copy(a.expected[len(a.expected)-a.textBytes():], callID)
}

func (a *answer) textBytes() int {
	if a.load.Messages == 0 {
		return textBytes
	}
	return a.load.TextBytes
}

func (a *answer) wrong(format string, values ...any) {
	if a.fault == "" {
		a.fault = fmt.Sprintf(format, values...)
	}
}

// field takes one field of the head or of trailers; names are in lower case.
func (a *answer) field(name, value string) {
	switch name {
	case ":status":
		a.status, _ = strconv.Atoi(value)
	case "content-type":
		if want := "application/" + a.load.Protocol; !strings.HasPrefix(value, want) {
			a.wrong("content-type %s", value)
		}
	case "grpc-status":
		code, err := strconv.Atoi(value)
		if err != nil {
			a.wrong("grpc-status %q", value)
		}
		a.code = code
	case "grpc-message":
		a.reason = value
	}
}

func (a *answer) data(piece []byte) {
	if len(a.rest) > 0 {
		a.rest = append(a.rest, piece...)
		used := a.frames(a.rest)
		a.rest = append(a.rest[:0], a.rest[used:]...)
		return
	}
	used := a.frames(piece)
	a.rest = append(a.rest, piece[used:]...)
}

// frames takes whole frames and says how many bytes they were.
func (a *answer) frames(piece []byte) int {
	at := 0
	for len(piece)-at >= 5 {
		length := int(binary.BigEndian.Uint32(piece[at+1:]))
		if len(piece)-at-5 < length {
			break
		}
		a.frame(piece[at], piece[at+5:at+5+length])
		at += 5 + length
	}
	return at
}

func (a *answer) frame(flags byte, content []byte) {
	switch {
	case a.isOver:
		a.wrong("a frame behind the trailers")
	case flags == 0:
		a.message(content)
	case flags == 0x80 && a.load.isWeb():
		a.isOver = true
		for line := range strings.SplitSeq(strings.TrimSuffix(string(content), "\r\n"), "\r\n") {
			name, value, _ := strings.Cut(line, ":")
			a.field(strings.ToLower(name), strings.TrimSpace(value))
		}
	default:
		a.wrong("a frame with flags %d", flags)
	}
}

const hexDigits = "0123456789abcdef"

func (a *answer) message(content []byte) {
	a.messages++
	if a.load.Messages > 0 {
		at := len(a.expected) - a.load.TextBytes + callIDBytes
		for i, rest := 7, a.messages; i >= 0; i, rest = i-1, rest>>4 {
			a.expected[at+i] = hexDigits[rest&15]
		}
	}
	if !bytes.Equal(content, a.expected) {
		a.wrong("message %d is not the one awaited: %d bytes", a.messages, len(content))
	}
}

// end says what is wrong with the whole answer; empty when nothing is.
func (a *answer) end() string {
	switch {
	case a.status != 200:
		return fmt.Sprintf("HTTP %d, %s", a.status, a.fault)
	case a.code != 0:
		return fmt.Sprintf("code %d, %s%s", a.code, a.reason, a.fault)
	case a.fault != "":
		return a.fault
	case a.load.isWeb() && !a.isOver:
		return "no frame of trailers"
	case len(a.rest) > 0:
		return "a message cut short"
	case a.messages != a.load.expectedMessages():
		return fmt.Sprintf("%d messages, %d were asked", a.messages, a.load.expectedMessages())
	case a.load.Hold:
		return "a stream that ended by itself"
	}
	return ""
}
