// An agent that can everything, on the client library of OpAMP's own Go implementation: what Muster is checked against
// in check.ts. Says what happens to it as lines of JSON, and ends when its standard input does.
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/open-telemetry/opamp-go/client"
	"github.com/open-telemetry/opamp-go/client/types"
	"github.com/open-telemetry/opamp-go/protobufs"
)

const capability = "io.example.echo"

var out sync.Mutex

// say prints one event.
func say(event string, fields map[string]any) {
	out.Lock()
	defer out.Unlock()
	if fields == nil {
		fields = map[string]any{}
	}
	fields["event"] = event
	_ = json.NewEncoder(os.Stdout).Encode(fields)
}

type logger struct{}

func (logger) Debugf(context.Context, string, ...interface{}) {}
func (logger) Errorf(_ context.Context, format string, v ...interface{}) {
	fmt.Fprintf(os.Stderr, format+"\n", v...)
}

// store keeps packages in memory.
type store struct {
	mu       sync.Mutex
	all      []byte
	states   map[string]types.PackageState
	content  map[string][]byte
	statuses *protobufs.PackageStatuses
}

func (s *store) AllPackagesHash() ([]byte, error)         { return s.all, nil }
func (s *store) SetAllPackagesHash(hash []byte) error     { s.all = hash; return nil }
func (s *store) FileContentHash(n string) ([]byte, error) { return s.content[n], nil }
func (s *store) Packages() ([]string, error) {
	names := []string{}
	for name := range s.states {
		names = append(names, name)
	}
	return names, nil
}
func (s *store) PackageState(n string) (types.PackageState, error) { return s.states[n], nil }
func (s *store) SetPackageState(n string, state types.PackageState) error {
	s.states[n] = state
	return nil
}
func (s *store) CreatePackage(n string, typ protobufs.PackageType) error {
	s.states[n] = types.PackageState{Exists: true, Type: typ}
	return nil
}
func (s *store) UpdateContent(_ context.Context, n string, data io.Reader, contentHash, _ []byte) error {
	body, err := io.ReadAll(data)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	if !bytes.Equal(sum[:], contentHash) {
		return fmt.Errorf("the file's hash is %x, not %x", sum, contentHash)
	}
	s.content[n] = contentHash
	return nil
}
func (s *store) DeletePackage(n string) error { delete(s.states, n); return nil }
func (s *store) LastReportedStatuses() (*protobufs.PackageStatuses, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.statuses, nil
}
func (s *store) SetLastReportedStatuses(statuses *protobufs.PackageStatuses) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.statuses = statuses
	return nil
}

func text(key, value string) *protobufs.KeyValue {
	return &protobufs.KeyValue{Key: key, Value: &protobufs.AnyValue{Value: &protobufs.AnyValue_StringValue{StringValue: value}}}
}

func components() *protobufs.AvailableComponents {
	leaf := &protobufs.ComponentDetails{Metadata: []*protobufs.KeyValue{text("code.namespace", "example.io/otlp")}}
	receivers := &protobufs.ComponentDetails{SubComponentMap: map[string]*protobufs.ComponentDetails{"otlp": leaf}}
	hash := sha256.Sum256([]byte("otlp"))
	return &protobufs.AvailableComponents{Components: map[string]*protobufs.ComponentDetails{"receivers": receivers}, Hash: hash[:]}
}

// signingRequest makes a key of its own and a request that names the agent.
func signingRequest(name string) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: name}}, key)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), err
}

// sayCertificate says whose a certificate is, if its CA vouches for it as a client's.
func sayCertificate(cert *protobufs.TLSCertificate) {
	block, _ := pem.Decode(cert.Cert)
	roots := x509.NewCertPool()
	if block == nil || !roots.AppendCertsFromPEM(cert.CaCert) {
		say("certificate", map[string]any{"error": "no PEM"})
		return
	}
	parsed, err := x509.ParseCertificate(block.Bytes)
	if err == nil {
		_, err = parsed.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	}
	if err != nil {
		say("certificate", map[string]any{"error": err.Error()})
		return
	}
	say("certificate", map[string]any{"subject": parsed.Subject.CommonName})
}

func main() {
	endpoint := flag.String("endpoint", "ws://127.0.0.1:4320/v1/opamp", "where Muster listens")
	uidText := flag.String("uid", "", "instance uid, 32 hexadecimal digits")
	asksUid := flag.Bool("ask-uid", false, "ask for a uid of the server's making")
	flag.Parse()

	var uid types.InstanceUid
	if raw, err := hex.DecodeString(*uidText); err != nil || copy(uid[:], raw) != 16 {
		fmt.Fprintln(os.Stderr, "--uid takes 32 hexadecimal digits")
		os.Exit(2)
	}
	var agent client.OpAMPClient
	if strings.HasPrefix(*endpoint, "http") {
		agent = client.NewHTTP(logger{})
	} else {
		agent = client.NewWebSocket(logger{})
	}
	must := func(err error) {
		if err != nil {
			say("failed", map[string]any{"error": err.Error()})
			os.Exit(1)
		}
	}
	must(agent.SetAgentDescription(&protobufs.AgentDescription{
		IdentifyingAttributes:    []*protobufs.KeyValue{text("service.name", "real-client")},
		NonIdentifyingAttributes: []*protobufs.KeyValue{text("os.type", "linux")},
	}))
	must(agent.SetHealth(&protobufs.ComponentHealth{Healthy: true, StartTimeUnixNano: uint64(time.Now().UnixNano())}))
	must(agent.SetCustomCapabilities(&protobufs.CustomCapabilities{Capabilities: []string{capability}}))
	must(agent.SetAvailableComponents(components()))
	if *asksUid {
		agent.SetFlags(protobufs.AgentToServerFlags_AgentToServerFlags_RequestInstanceUid)
	}

	packages := &store{states: map[string]types.PackageState{}, content: map[string][]byte{}}
	heartbeat := time.Second
	callbacks := types.Callbacks{
		OnConnect: func(context.Context) { say("connected", nil) },
		OnError: func(_ context.Context, err *protobufs.ServerErrorResponse) {
			say("error", map[string]any{"type": err.Type.String(), "message": err.ErrorMessage})
		},
		GetEffectiveConfig: func(context.Context) (*protobufs.EffectiveConfig, error) {
			files := map[string]*protobufs.AgentConfigFile{"": {Body: []byte("a: 1\n"), ContentType: "text/yaml"}}
			return &protobufs.EffectiveConfig{ConfigMap: &protobufs.AgentConfigMap{ConfigMap: files}}, nil
		},
		OnCommand: func(_ context.Context, command *protobufs.ServerToAgentCommand) error {
			say("command", map[string]any{"type": command.Type.String()})
			return nil
		},
		OnOpampConnectionSettings: func(_ context.Context, settings *protobufs.OpAMPConnectionSettings) error {
			say("connection-settings", map[string]any{"endpoint": settings.DestinationEndpoint, "heartbeat": settings.HeartbeatIntervalSeconds})
			if settings.Certificate != nil && len(settings.Certificate.Cert) > 0 {
				sayCertificate(settings.Certificate)
			}
			return nil
		},
		OnMessage: func(ctx context.Context, msg *types.MessageData) {
			if msg.AgentIdentification != nil {
				say("identified", map[string]any{"uid": hex.EncodeToString(msg.AgentIdentification.NewInstanceUid)})
			}
			if msg.RemoteConfig != nil {
				must(agent.SetRemoteConfigStatus(&protobufs.RemoteConfigStatus{
					LastRemoteConfigHash: msg.RemoteConfig.ConfigHash,
					Status:               protobufs.RemoteConfigStatuses_RemoteConfigStatuses_APPLIED,
				}))
				say("configured", map[string]any{"hash": hex.EncodeToString(msg.RemoteConfig.ConfigHash)})
			}
			if msg.PackagesAvailable != nil {
				must(msg.PackageSyncer.Sync(ctx))
				say("packages", map[string]any{"count": len(msg.PackagesAvailable.Packages)})
			}
			if msg.CustomMessage != nil {
				say("custom-message", map[string]any{"type": msg.CustomMessage.Type, "data": string(msg.CustomMessage.Data)})
				_, err := agent.SendCustomMessage(&protobufs.CustomMessage{Capability: capability, Type: "echo", Data: msg.CustomMessage.Data})
				must(err)
			}
		},
	}
	must(agent.Start(context.Background(), types.StartSettings{
		OpAMPServerURL:        *endpoint,
		InstanceUid:           uid,
		Callbacks:             callbacks,
		Capabilities:          0xFFFF, // SetCapabilities would ask for the provider before it can be given
		PackagesStateProvider: packages,
		HeartbeatInterval:     &heartbeat,
	}))
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		switch word, rest, _ := strings.Cut(lines.Text(), " "); word {
		case "sign":
			request, err := signingRequest(rest)
			must(err)
			must(agent.RequestConnectionSettings(&protobufs.ConnectionSettingsRequest{
				Opamp: &protobufs.OpAMPConnectionSettingsRequest{CertificateRequest: &protobufs.CertificateRequest{Csr: request}},
			}))
		case "sick":
			must(agent.SetHealth(&protobufs.ComponentHealth{Healthy: false, LastError: rest}))
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = agent.Stop(ctx)
	say("stopped", nil)
}
