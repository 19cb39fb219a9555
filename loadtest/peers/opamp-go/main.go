// What a user of opamp-go's server package would write first: a map of agents that keeps what each of them reported
// last, and answers with what the server can do. The peer of load tests; keeps nothing across restarts and offers nothing.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"sync"

	"github.com/open-telemetry/opamp-go/protobufs"
	"github.com/open-telemetry/opamp-go/server"
	"github.com/open-telemetry/opamp-go/server/types"
)

const capabilities = uint64(protobufs.ServerCapabilities_ServerCapabilities_AcceptsStatus |
	protobufs.ServerCapabilities_ServerCapabilities_AcceptsEffectiveConfig)

type fleet struct {
	mutex  sync.Mutex
	agents map[string]*protobufs.AgentToServer
}

// onMessage keeps what an agent reports: what it leaves out did not change.
func (f *fleet) onMessage(_ context.Context, _ types.Connection, message *protobufs.AgentToServer) *protobufs.ServerToAgent {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	answer := &protobufs.ServerToAgent{InstanceUid: message.InstanceUid, Capabilities: capabilities}
	agent, isKnown := f.agents[string(message.InstanceUid)]
	if !isKnown {
		agent = &protobufs.AgentToServer{}
		f.agents[string(message.InstanceUid)] = agent
	}
	if isKnown && message.SequenceNum != agent.SequenceNum+1 {
		answer.Flags = uint64(protobufs.ServerToAgentFlags_ServerToAgentFlags_ReportFullState)
	}
	agent.SequenceNum, agent.Capabilities = message.SequenceNum, message.Capabilities
	if message.AgentDescription != nil {
		agent.AgentDescription = message.AgentDescription
	}
	if message.Health != nil {
		agent.Health = message.Health
	}
	if message.EffectiveConfig != nil {
		agent.EffectiveConfig = message.EffectiveConfig
	}
	if message.RemoteConfigStatus != nil {
		agent.RemoteConfigStatus = message.RemoteConfigStatus
	}
	return answer
}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on")
	flag.Parse()
	known := &fleet{agents: map[string]*protobufs.AgentToServer{}}
	callbacks := types.ConnectionCallbacks{OnMessage: known.onMessage}
	peer := server.New(nil)
	err := peer.Start(server.StartSettings{ListenEndpoint: *listen, Settings: server.Settings{Callbacks: types.Callbacks{
		OnConnecting: func(*http.Request) types.ConnectionResponse {
			return types.ConnectionResponse{Accept: true, ConnectionCallbacks: callbacks}
		},
	}}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("ws://%s/v1/opamp\n", peer.Addr())
	_, _ = os.Stdin.Read(make([]byte, 1)) // ends with whoever started it
}
