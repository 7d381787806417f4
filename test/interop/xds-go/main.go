// A management server of go-control-plane that serves endpoints by EDS and by ADS, to judge our client of xDS.
//
// It listens on the port that is its first argument (0: any) and prints {"port":N}. Each line of its standard input is
// a snapshot, as JSON; it prints {"set":VERSION} when clients are told of it, and {"request":...} for every request
// that it gets. With XDS_TOKEN set, only clients that show it are served. It ends with its standard input.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"sync"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	eds "github.com/envoyproxy/go-control-plane/envoy/service/endpoint/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Snapshot is what all clients are told.
type Snapshot struct {
	Version  string                `json:"version"`
	Clusters map[string][]Locality `json:"clusters"`
}

type Locality struct {
	Region    string     `json:"region"`
	Zone      string     `json:"zone"`
	Priority  uint32     `json:"priority"`
	Endpoints []Endpoint `json:"endpoints"`
}

type Endpoint struct {
	Address  string                    `json:"address"`
	Pipe     string                    `json:"pipe"`
	Port     uint32                    `json:"port"`
	Hostname string                    `json:"hostname"`
	Weight   uint32                    `json:"weight"`
	Health   string                    `json:"health"`
	Metadata map[string]map[string]any `json:"metadata"`
}

// everybody is one client to the cache.
type everybody struct{}

func (everybody) ID(*core.Node) string { return "everybody" }

var printing sync.Mutex

func say(what any) {
	printing.Lock()
	defer printing.Unlock()
	line, err := json.Marshal(what)
	check(err)
	fmt.Println(string(line))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[1])
	check(err)
	snapshots := cache.NewSnapshotCache(false, everybody{}, nil)
	management := server.NewServer(context.Background(), snapshots, server.CallbackFuncs{StreamRequestFunc: tell})
	grpcServer := grpc.NewServer(grpc.StreamInterceptor(admit))
	discovery.RegisterAggregatedDiscoveryServiceServer(grpcServer, management)
	eds.RegisterEndpointDiscoveryServiceServer(grpcServer, management)
	go func() { check(grpcServer.Serve(listener)) }()
	say(map[string]any{"port": listener.Addr().(*net.TCPAddr).Port})

	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var snapshot Snapshot
		check(json.Unmarshal(lines.Bytes(), &snapshot))
		resources := map[resource.Type][]types.Resource{resource.EndpointType: assignments(snapshot)}
		made, err := cache.NewSnapshot(snapshot.Version, resources)
		check(err)
		check(snapshots.SetSnapshot(context.Background(), "everybody", made))
		say(map[string]any{"set": snapshot.Version})
	}
	check(lines.Err())
}

func admit(served any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	token := os.Getenv("XDS_TOKEN")
	shown, _ := metadata.FromIncomingContext(stream.Context())
	if values := shown.Get("authorization"); token != "" && (len(values) != 1 || values[0] != "Bearer "+token) {
		return status.Error(codes.Unauthenticated, "this token is not known")
	}
	return next(served, stream)
}

func tell(stream int64, request *discovery.DiscoveryRequest) error {
	say(map[string]any{"request": map[string]any{
		"stream":  stream,
		"node":    request.GetNode().GetId(),
		"type":    request.GetTypeUrl(),
		"names":   request.GetResourceNames(),
		"version": request.GetVersionInfo(),
		"nonce":   request.GetResponseNonce(),
		"error":   request.GetErrorDetail().GetMessage(),
	}})
	return nil
}

func assignments(snapshot Snapshot) []types.Resource {
	var all []types.Resource
	for name, localities := range snapshot.Clusters {
		assignment := &endpoint.ClusterLoadAssignment{ClusterName: name}
		for _, locality := range localities {
			assignment.Endpoints = append(assignment.Endpoints, localityOf(locality))
		}
		all = append(all, assignment)
	}
	return all
}

func localityOf(given Locality) *endpoint.LocalityLbEndpoints {
	locality := &endpoint.LocalityLbEndpoints{
		Locality: &core.Locality{Region: given.Region, Zone: given.Zone},
		Priority: given.Priority,
	}
	for _, one := range given.Endpoints {
		locality.LbEndpoints = append(locality.LbEndpoints, endpointOf(one))
	}
	return locality
}

func endpointOf(given Endpoint) *endpoint.LbEndpoint {
	made := &endpoint.LbEndpoint{
		HostIdentifier: &endpoint.LbEndpoint_Endpoint{Endpoint: &endpoint.Endpoint{
			Address:  addressOf(given),
			Hostname: given.Hostname,
		}},
		HealthStatus: core.HealthStatus(core.HealthStatus_value[given.Health]),
	}
	if given.Weight > 0 {
		made.LoadBalancingWeight = wrapperspb.UInt32(given.Weight)
	}
	if given.Metadata != nil {
		made.Metadata = &core.Metadata{FilterMetadata: map[string]*structpb.Struct{}}
	}
	for name, fields := range given.Metadata {
		filter, err := structpb.NewStruct(fields)
		check(err)
		made.Metadata.FilterMetadata[name] = filter
	}
	return made
}

func addressOf(given Endpoint) *core.Address {
	if given.Pipe != "" {
		return &core.Address{Address: &core.Address_Pipe{Pipe: &core.Pipe{Path: given.Pipe}}}
	}
	port := &core.SocketAddress_PortValue{PortValue: given.Port}
	socket := &core.SocketAddress{Address: given.Address, PortSpecifier: port}
	return &core.Address{Address: &core.Address_SocketAddress{SocketAddress: socket}}
}
