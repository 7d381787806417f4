package main

import (
	"context"
	"encoding/binary"

	"google.golang.org/grpc"
)

// rawCodec passes messages as they are on the wire.
type rawCodec struct{}

func (rawCodec) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }

func (rawCodec) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = append([]byte(nil), data...)
	return nil
}

func (rawCodec) Name() string { return "proto" }

func echoRaw(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	message := new([]byte)
	if err := decode(message); err != nil {
		return nil, err
	}
	calls.Add(1)
	return message, nil
}

func streamRaw(_ any, stream grpc.ServerStream) error {
	request := new([]byte)
	if err := stream.RecvMsg(request); err != nil {
		return err
	}
	// Behind tag and length, which is one byte for all requests of this bench.
	order, err := parseOrder(string((*request)[2:]))
	if err != nil {
		return err
	}
	head := binary.AppendUvarint([]byte{0x0a}, uint64(order.characters))
	for number := 1; number <= order.messages; number++ {
		// A new one each time: grpc-go keeps it until it is written.
		message := make([]byte, 0, len(head)+order.characters)
		message = append(message, head...)
		message = append(message, order.callID...)
		message = append(message, sequence(number)...)
		message = append(message, order.filler...)
		if err := stream.SendMsg(&message); err != nil {
			return err
		}
		messages.Add(1)
	}
	return finishStream(order, stream)
}

func finishStream(o order, stream grpc.ServerStream) error {
	if o.hold {
		held.Add(1)
		defer held.Add(-1)
		<-stream.Context().Done()
		return stream.Context().Err()
	}
	calls.Add(1)
	return nil
}
