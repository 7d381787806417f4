// A grpc-go server and client of e2e.v1.EchoService, to judge ours from the other side. The server says of itself that it
// is three quarters full.
//
// "serve" listens, prints {"port":N} and ends with its standard input. "register REGISTRY DESCRIPTORS INSTANCE" serves as
// well, and is registered while it does, with the token in BASCULE_TOKEN. "call ADDRESS" makes one call of each kind and
// prints what it saw as JSON.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/orca"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const service = "e2e.v1.EchoService"

func main() {
	switch {
	case len(os.Args) == 2 && os.Args[1] == "serve":
		serve(nil)
	case len(os.Args) == 5 && os.Args[1] == "register":
		client := openRegistry(os.Args[2], os.Args[3])
		serve(func(port int) func() { return client.register(os.Args[4], port) })
	case len(os.Args) == 3 && os.Args[1] == "call":
		call(os.Args[2])
	default:
		fail("usage: serve | register REGISTRY DESCRIPTORS INSTANCE | call ADDRESS")
	}
}

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(1)
}

func check(err error) {
	if err != nil {
		fail("%v", err)
	}
}

func text(value string) *wrapperspb.StringValue { return wrapperspb.String(value) }

func failure() error {
	made, err := status.New(codes.NotFound, "nothing there: ü").WithDetails(&errdetails.ErrorInfo{Reason: "GONE", Domain: "e2e"})
	check(err)
	return made.Err()
}

func say(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	request := &wrapperspb.StringValue{}
	if err := decode(request); err != nil {
		return nil, err
	}
	asked, _ := metadata.FromIncomingContext(ctx)
	if err := grpc.SetHeader(ctx, metadata.Pairs("x-seen-bin", strings.Join(asked.Get("x-data-bin"), ""))); err != nil {
		return nil, err
	}
	if err := grpc.SetTrailer(ctx, metadata.Pairs("x-trailer", "a", "x-trailer", "b")); err != nil {
		return nil, err
	}
	switch request.Value {
	case "fail":
		return nil, failure()
	case "hang":
		<-ctx.Done()
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	return text(request.Value), nil
}

func count(_ any, stream grpc.ServerStream) error {
	request := &wrapperspb.Int32Value{}
	if err := stream.RecvMsg(request); err != nil {
		return err
	}
	for i := int32(1); i <= request.Value; i++ {
		if err := stream.SendMsg(text(fmt.Sprint(i))); err != nil {
			return err
		}
	}
	return nil
}

func receiveAll(stream interface{ RecvMsg(any) error }, each func(string) error) error {
	for {
		message := &wrapperspb.StringValue{}
		if err := stream.RecvMsg(message); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if err := each(message.Value); err != nil {
			return err
		}
	}
}

func join(_ any, stream grpc.ServerStream) error {
	var words []string
	err := receiveAll(stream, func(word string) error { words = append(words, word); return nil })
	if err != nil {
		return err
	}
	return stream.SendMsg(text(strings.Join(words, " ")))
}

func chat(_ any, stream grpc.ServerStream) error {
	return receiveAll(stream, func(word string) error { return stream.SendMsg(text(word)) })
}

// `register` is told the port and returns what undoes it.
func serve(register func(port int) func()) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	server := grpc.NewServer(serverOptions()...)
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: service,
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "Say", Handler: say}},
		Streams: []grpc.StreamDesc{
			{StreamName: "Count", Handler: count, ServerStreams: true},
			{StreamName: "Join", Handler: join, ClientStreams: true},
			{StreamName: "Chat", Handler: chat, ServerStreams: true, ClientStreams: true},
		},
	}, struct{}{})
	load := orca.NewServerMetricsRecorder()
	load.SetApplicationUtilization(0.75)
	load.SetQPS(1000)
	load.SetEPS(1)
	check(orca.Register(server, orca.ServiceOptions{ServerMetricsProvider: load}))
	port := listener.Addr().(*net.TCPAddr).Port
	deregister := func() {}
	if register != nil {
		deregister = register(port)
	}
	fmt.Printf("{\"port\":%d}\n", port)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		deregister()
		server.GracefulStop()
	}()
	check(server.Serve(listener))
}

// What the client saw.
type seen struct {
	Say       string   `json:"say"`
	Zipped    int      `json:"zipped"`
	SeenBin   string   `json:"seenBin"`
	Trailers  []string `json:"trailers"`
	Code      string   `json:"code"`
	Message   string   `json:"message"`
	Details   []string `json:"details"`
	Deadline  string   `json:"deadline"`
	Count     []string `json:"count"`
	Join      string   `json:"join"`
	Chat      []string `json:"chat"`
	Cancelled string   `json:"cancelled"`
	Unknown   string   `json:"unknown"`
}

func call(address string) {
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	check(err)
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	out := seen{}
	callUnary(ctx, connection, &out)
	callStreams(ctx, connection, &out)
	check(json.NewEncoder(os.Stdout).Encode(out))
}

func path(method string) string { return "/" + service + "/" + method }

func callUnary(ctx context.Context, connection *grpc.ClientConn, out *seen) {
	answer := &wrapperspb.StringValue{}
	var header, trailer metadata.MD
	with := metadata.AppendToOutgoingContext(ctx, "x-data-bin", string([]byte{0, 1, 255}))
	check(connection.Invoke(with, path("Say"), text("hello"), answer, grpc.Header(&header), grpc.Trailer(&trailer)))
	out.Say = answer.Value
	out.SeenBin = fmt.Sprintf("%x", strings.Join(header.Get("x-seen-bin"), ""))
	out.Trailers = trailer.Get("x-trailer")

	long := strings.Repeat("abc ", 25_000)
	check(connection.Invoke(ctx, path("Say"), text(long), answer, grpc.UseCompressor(gzip.Name)))
	out.Zipped = len(answer.Value)

	err := connection.Invoke(ctx, path("Say"), text("fail"), answer)
	made, _ := status.FromError(err)
	out.Code, out.Message = made.Code().String(), made.Message()
	for _, detail := range made.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			out.Details = append(out.Details, info.Reason)
		}
	}

	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	out.Deadline = status.Code(connection.Invoke(short, path("Say"), text("hang"), answer)).String()
	out.Unknown = status.Code(connection.Invoke(ctx, path("Nope"), text(""), answer)).String()
}

func open(ctx context.Context, connection *grpc.ClientConn, method string, desc grpc.StreamDesc) grpc.ClientStream {
	stream, err := connection.NewStream(ctx, &desc, path(method))
	check(err)
	return stream
}

func callStreams(ctx context.Context, connection *grpc.ClientConn, out *seen) {
	down := open(ctx, connection, "Count", grpc.StreamDesc{ServerStreams: true})
	check(down.SendMsg(wrapperspb.Int32(3)))
	check(down.CloseSend())
	check(receiveAll(down, func(word string) error { out.Count = append(out.Count, word); return nil }))

	up := open(ctx, connection, "Join", grpc.StreamDesc{ClientStreams: true})
	for _, word := range []string{"a", "b", "c"} {
		check(up.SendMsg(text(word)))
	}
	check(up.CloseSend())
	check(receiveAll(up, func(word string) error { out.Join = word; return nil }))

	both := open(ctx, connection, "Chat", grpc.StreamDesc{ServerStreams: true, ClientStreams: true})
	for _, word := range []string{"one", "two"} {
		check(both.SendMsg(text(word)))
		answer := &wrapperspb.StringValue{}
		check(both.RecvMsg(answer))
		out.Chat = append(out.Chat, answer.Value)
	}
	check(both.CloseSend())
	check(receiveAll(both, func(string) error { return nil }))

	short, cancel := context.WithCancel(ctx)
	left := open(short, connection, "Chat", grpc.StreamDesc{ServerStreams: true, ClientStreams: true})
	check(left.SendMsg(text("x")))
	cancel()
	out.Cancelled = status.Code(receiveAll(left, func(string) error { return nil })).String()
}
