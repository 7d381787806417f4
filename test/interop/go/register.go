package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

const registry = "bascule.registry.v1.RegistryService"

// A registry as any gRPC client sees it: its descriptors, a connection, a token.
type registryClient struct {
	files      *protoregistry.Files
	connection *grpc.ClientConn
	ctx        context.Context
}

func openRegistry(address string, descriptors string) registryClient {
	bytes, err := os.ReadFile(descriptors)
	check(err)
	set := &descriptorpb.FileDescriptorSet{}
	check(proto.Unmarshal(bytes, set))
	files, err := protodesc.NewFiles(set)
	check(err)
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	check(err)
	ctx := metadata.AppendToOutgoingContext(context.Background(), "authorization", "Bearer "+os.Getenv("BASCULE_TOKEN"))
	return registryClient{files, connection, ctx}
}

func (client registryClient) message(name string, json string) *dynamicpb.Message {
	found, err := client.files.FindDescriptorByName(protoreflect.FullName("bascule.registry.v1." + name))
	check(err)
	message := dynamicpb.NewMessage(found.(protoreflect.MessageDescriptor))
	check(protojson.Unmarshal([]byte(json), message))
	return message
}

func field(message *dynamicpb.Message, name protoreflect.Name) protoreflect.Value {
	return message.Get(message.Descriptor().Fields().ByName(name))
}

// Registers a port of this machine, keeps the lease over one stream, and returns what deregisters it.
func (client registryClient) register(instance string, port int) func() {
	request := client.message("RegisterRequest", fmt.Sprintf(`{
		"endpoint": {
			"instanceId": %q, "incarnation": "%d", "host": "127.0.0.1", "port": %d,
			"protocol": "PROTOCOL_GRPC", "services": [%q], "labels": {"language": "go"}
		},
		"ttl": "3s"
	}`, instance, time.Now().UnixMilli(), port, service))
	answer := client.message("RegisterResponse", "{}")
	check(client.connection.Invoke(client.ctx, "/"+registry+"/Register", request, answer))
	lease := field(answer, "lease_id").String()

	stream, err := client.connection.NewStream(client.ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, "/"+registry+"/KeepAlive")
	check(err)
	go func() {
		for range time.Tick(time.Second) {
			check(stream.SendMsg(client.message("KeepAliveRequest", fmt.Sprintf(`{"leases": [{"leaseId": %q}]}`, lease))))
			kept := client.message("KeepAliveResponse", "{}")
			check(stream.RecvMsg(kept))
			if field(kept, "lost_lease_ids").List().Len() > 0 {
				fail("the lease is over")
			}
		}
	}()
	return func() {
		request := client.message("DeregisterRequest", fmt.Sprintf(`{"leaseId": %q}`, lease))
		check(client.connection.Invoke(client.ctx, "/"+registry+"/Deregister", request, client.message("DeregisterResponse", "{}")))
	}
}
