// A gRPC backend. As it is, it costs as little as it can: it passes messages on undecoded. With -typed it is a server as
// people write them, with grpc-go's own protobuf codec.
//
// Standard output first carries {"port":N}. After that each line "count" on standard input is answered with what it has
// done, and the end of standard input ends the process, so that no backend outlives its bench.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"log"
	"net"
	"os"
	"strings"
	"sync/atomic"

	"google.golang.org/grpc"
)

// calls that have ended well, messages of streams, streams that are held open.
var calls, messages, held atomic.Int64

func main() {
	// Full names of the methods to answer, as in "a.v1.A/Do,a.v1.A/Undo".
	unary := flag.String("methods", "", "unary methods to answer, separated by commas")
	stream := flag.String("streams", "", "server streams to answer, separated by commas")
	typed := flag.Bool("typed", false, "decodes and encodes google.protobuf.StringValue")
	flag.Parse()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	options := []grpc.ServerOption{grpc.ForceServerCodec(rawCodec{})}
	unaryHandler, streamHandler := echoRaw, streamRaw
	if *typed {
		options = nil
		unaryHandler, streamHandler = echoTyped, streamTyped
	}
	server := grpc.NewServer(options...)
	services := map[string]*grpc.ServiceDesc{}
	for _, full := range names(*unary) {
		service, method := describe(services, full)
		service.Methods = append(service.Methods, grpc.MethodDesc{MethodName: method, Handler: unaryHandler})
	}
	for _, full := range names(*stream) {
		service, method := describe(services, full)
		description := grpc.StreamDesc{StreamName: method, Handler: streamHandler, ServerStreams: true}
		service.Streams = append(service.Streams, description)
	}
	for _, service := range services {
		server.RegisterService(service, nil)
	}
	output := json.NewEncoder(os.Stdout)
	go serveCommands(server, output)
	_ = output.Encode(map[string]int{"port": listener.Addr().(*net.TCPAddr).Port})
	if err := server.Serve(listener); err != nil {
		log.Fatal(err)
	}
}

func names(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' })
}

func describe(services map[string]*grpc.ServiceDesc, full string) (service *grpc.ServiceDesc, method string) {
	name, method, found := strings.Cut(full, "/")
	if !found {
		log.Fatalf("%q is no method: write service/method", full)
	}
	if services[name] == nil {
		services[name] = &grpc.ServiceDesc{ServiceName: name}
	}
	return services[name], method
}

func serveCommands(server *grpc.Server, output *json.Encoder) {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if lines.Text() == "count" {
			_ = output.Encode(map[string]int64{"calls": calls.Load(), "messages": messages.Load(), "held": held.Load()})
		}
	}
	server.Stop()
}
