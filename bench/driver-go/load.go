package main

import (
	"encoding/binary"
	"fmt"
	"strconv"

	"golang.org/x/net/http2/hpack"
)

const callIDBytes = 16

// textBytes of a request; with its field tag and length a message of 70 bytes.
const textBytes = 68

// load says what each call is.
type load struct {
	// "grpc-web" or "grpc".
	Protocol string
	// "/package.Service/Method".
	Path string
	// 0 is a unary call: its answer carries the request's own bytes.
	Messages int
	// Characters of each message of a stream.
	TextBytes int
	// A stream that stays open behind its messages.
	Hold bool
}

func (l *load) isWeb() bool { return l.Protocol == "grpc-web" }

func (l *load) expectedMessages() int { return max(1, l.Messages) }

// request is the message of a call with its prefix: a protobuf string in field 1.
func (l *load) request(callID []byte) []byte {
	text := append([]byte(nil), callID...)
	if l.Messages > 0 {
		end := "end"
		if l.Hold {
			end = "hold"
		}
		text = fmt.Appendf(text, " %d %d %s ", l.Messages, l.TextBytes, end)
	}
	for len(text) < textBytes {
		text = append(text, '.')
	}
	return frame(toField(text))
}

// answerOf is the message that must come as number `sequence`, counted from 1.
func (l *load) answerOf(callID []byte, sequence int) []byte {
	if l.Messages == 0 {
		return l.request(callID)[5:]
	}
	text := make([]byte, l.TextBytes)
	copy(text, callID)
	copy(text[callIDBytes:], fmt.Sprintf("%08x", sequence))
	for i := callIDBytes + 8; i < len(text); i++ {
		text[i] = '.'
	}
	return toField(text)
}

func toField(text []byte) []byte {
	field := binary.AppendUvarint([]byte{0x0a}, uint64(len(text)))
	return append(field, text...)
}

func frame(message []byte) []byte {
	prefixed := append([]byte{0}, binary.BigEndian.AppendUint32(nil, uint32(len(message)))...)
	return append(prefixed, message...)
}

// browserFields are what a browser's page sends beside the call: about 600 bytes.
func browserFields(origin string) [][2]string {
	return [][2]string{
		{"sec-ch-ua-platform", `"Linux"`},
		{"authorization", "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJiZW5jaCIsImV4cCI6NDEwMjQ0NDgwMH0.c2lnbmF0dXJlLW9mLWEtYmVuY2g"},
		{"user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"},
		{"sec-ch-ua", `"Chromium";v="142", "Not=A?Brand";v="24"`},
		{"content-type", "application/grpc-web+proto"},
		{"x-grpc-web", "1"},
		{"sec-ch-ua-mobile", "?0"},
		{"accept", "*/*"},
		{"sec-fetch-site", "same-origin"},
		{"sec-fetch-mode", "cors"},
		{"sec-fetch-dest", "empty"},
		{"accept-encoding", "gzip, deflate, br, zstd"},
		{"accept-language", "en-GB,en;q=0.9"},
		{"origin", origin},
		{"referer", origin + "/"},
	}
}

// grpcFields are what grpc-go's client sends.
var grpcFields = [][2]string{{"content-type", "application/grpc"}, {"user-agent", "grpc-go/1.85.0"}, {"te", "trailers"}}

// http2Head is a request's field block but for its encoding.
func (l *load) http2Head(scheme, authority string, bodyBytes int) []hpack.HeaderField {
	head := []hpack.HeaderField{
		{Name: ":method", Value: "POST"},
		{Name: ":scheme", Value: scheme},
		{Name: ":authority", Value: authority},
		{Name: ":path", Value: l.Path},
	}
	fields := grpcFields
	if l.isWeb() {
		length := [2]string{"content-length", strconv.Itoa(bodyBytes)}
		fields = append(browserFields(scheme+"://"+authority), length)
	}
	for _, field := range fields {
		head = append(head, hpack.HeaderField{Name: field[0], Value: field[1]})
	}
	return head
}

// http1Request is a whole request, to be written over with the call id of each call.
func (l *load) http1Request(authority string, body []byte) []byte {
	text := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nhost: %s\r\nconnection: keep-alive\r\n", l.Path, authority)
	for _, field := range browserFields("http://" + authority) {
		text = fmt.Appendf(text, "%s: %s\r\n", field[0], field[1])
	}
	text = fmt.Appendf(text, "content-length: %d\r\n\r\n", len(body))
	return append(text, body...)
}
