// A gRPC backend that costs as little as it can: it answers each message with the same bytes, undecoded, and counts.
//
// Standard output first carries {"port":N}. After that each line "count" on standard input is answered with
// {"calls":N}, and the end of standard input ends the process, so that no backend outlives its bench.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"strings"
	"sync/atomic"

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

var calls atomic.Int64

func echo(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	message := new([]byte)
	if err := decode(message); err != nil {
		return nil, err
	}
	calls.Add(1)
	return message, nil
}

func main() {
	// Full names of the methods to answer, as in "a.v1.A/Do,a.v1.A/Undo".
	methods := flag.String("methods", "", "methods to answer, separated by commas")
	flag.Parse()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer(grpc.ForceServerCodec(rawCodec{}))
	for name, description := range describe(*methods) {
		description.ServiceName = name
		server.RegisterService(description, nil)
	}
	go serveCommands(server)
	fmt.Printf("{\"port\":%d}\n", listener.Addr().(*net.TCPAddr).Port)
	if err := server.Serve(listener); err != nil {
		log.Fatal(err)
	}
}

func describe(methods string) map[string]*grpc.ServiceDesc {
	services := map[string]*grpc.ServiceDesc{}
	for _, full := range strings.Split(methods, ",") {
		service, method, found := strings.Cut(full, "/")
		if !found {
			log.Fatalf("%q is no method: write service/method", full)
		}
		if services[service] == nil {
			services[service] = &grpc.ServiceDesc{}
		}
		description := grpc.MethodDesc{MethodName: method, Handler: echo}
		services[service].Methods = append(services[service].Methods, description)
	}
	return services
}

func serveCommands(server *grpc.Server) {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if lines.Text() == "count" {
			fmt.Printf("{\"calls\":%d}\n", calls.Load())
		}
	}
	server.Stop()
}
