package main

import (
	"fmt"
	"strings"
)

// order is what the text of a request for a stream asks: "CALLID COUNT CHARACTERS end|hold ....".
type order struct {
	callID     string
	messages   int
	characters int
	hold       bool
	filler     string
}

func parseOrder(text string) (order, error) {
	var o order
	var end string
	if _, err := fmt.Sscanf(text, "%s %d %d %s", &o.callID, &o.messages, &o.characters, &end); err != nil {
		return o, err
	}
	o.hold = end == "hold"
	o.filler = strings.Repeat(".", max(0, o.characters-len(o.callID)-8))
	return o, nil
}

const hexDigits = "0123456789abcdef"

// sequence is a message's number in eight digits.
func sequence(number int) string {
	var digits [8]byte
	for i := 7; i >= 0; i-- {
		digits[i] = hexDigits[number&15]
		number >>= 4
	}
	return string(digits[:])
}
