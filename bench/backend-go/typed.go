package main

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func echoTyped(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	request := new(wrapperspb.StringValue)
	if err := decode(request); err != nil {
		return nil, err
	}
	calls.Add(1)
	return &wrapperspb.StringValue{Value: request.GetValue()}, nil
}

func streamTyped(_ any, stream grpc.ServerStream) error {
	request := new(wrapperspb.StringValue)
	if err := stream.RecvMsg(request); err != nil {
		return err
	}
	order, err := parseOrder(request.GetValue())
	if err != nil {
		return err
	}
	for number := 1; number <= order.messages; number++ {
		message := &wrapperspb.StringValue{Value: order.callID + sequence(number) + order.filler}
		if err := stream.SendMsg(message); err != nil {
			return err
		}
		messages.Add(1)
	}
	return finishStream(order, stream)
}
