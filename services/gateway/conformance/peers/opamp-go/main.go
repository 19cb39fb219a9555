// A server on opamp-go's server package and nothing else: the suite is run against it, to see that it does not merely
// agree with our gateway. It answers every message under the agent's uid and knows nothing of what it is told.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/open-telemetry/opamp-go/protobufs"
	"github.com/open-telemetry/opamp-go/server"
	"github.com/open-telemetry/opamp-go/server/types"
)

const capabilities = uint64(protobufs.ServerCapabilities_ServerCapabilities_AcceptsStatus)

func reply(_ context.Context, _ types.Connection, message *protobufs.AgentToServer) *protobufs.ServerToAgent {
	return &protobufs.ServerToAgent{InstanceUid: message.InstanceUid, Capabilities: capabilities}
}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on")
	flag.Parse()
	callbacks := types.ConnectionCallbacks{OnMessage: reply}
	settings := server.StartSettings{
		ListenEndpoint: *listen,
		Settings: server.Settings{
			Callbacks: types.Callbacks{
				OnConnecting: func(*http.Request) types.ConnectionResponse {
					return types.ConnectionResponse{Accept: true, ConnectionCallbacks: callbacks}
				},
			},
		},
	}
	peer := server.New(nil)
	if err := peer.Start(settings); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("ws://%s/v1/opamp\n", peer.Addr())
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	<-stop
	_ = peer.Stop(context.Background())
}
