// Command daprd is Dapr's own sidecar, of Dapr's own module, with the components that
// Rowcast's files name, or Kubernetes has a sidecar use, and no others: the full set takes several times as long to compile.
package main

import (
	kubernetesnames "github.com/dapr/components-contrib/nameresolution/kubernetes"
	"github.com/dapr/components-contrib/nameresolution/mdns"
	"github.com/dapr/components-contrib/nameresolution/sqlite"
	inmemory "github.com/dapr/components-contrib/pubsub/in-memory"
	"github.com/dapr/components-contrib/pubsub/jetstream"
	"github.com/dapr/components-contrib/pubsub/kafka"
	"github.com/dapr/components-contrib/pubsub/rabbitmq"
	"github.com/dapr/components-contrib/pubsub/redis"
	kubernetessecrets "github.com/dapr/components-contrib/secretstores/kubernetes"
	"github.com/dapr/components-contrib/secretstores/local/env"
	"github.com/dapr/components-contrib/secretstores/local/file"
	"github.com/dapr/dapr/cmd/daprd/app"
	nameresolution "github.com/dapr/dapr/pkg/components/nameresolution"
	pubsub "github.com/dapr/dapr/pkg/components/pubsub"
	secretstores "github.com/dapr/dapr/pkg/components/secretstores"
)

func main() {
	nameresolution.DefaultRegistry.RegisterComponent(kubernetesnames.NewResolver, "kubernetes")
	nameresolution.DefaultRegistry.RegisterComponent(mdns.NewResolver, "mdns")
	nameresolution.DefaultRegistry.RegisterComponent(sqlite.NewResolver, "sqlite")
	pubsub.DefaultRegistry.RegisterComponent(inmemory.New, "in-memory")
	pubsub.DefaultRegistry.RegisterComponent(jetstream.NewJetStream, "jetstream")
	pubsub.DefaultRegistry.RegisterComponent(kafka.NewKafka, "kafka")
	pubsub.DefaultRegistry.RegisterComponent(rabbitmq.NewRabbitMQ, "rabbitmq")
	pubsub.DefaultRegistry.RegisterComponent(redis.NewRedisStreams, "redis")
	secretstores.DefaultRegistry.RegisterComponent(kubernetessecrets.NewKubernetesSecretStore, "kubernetes")
	secretstores.DefaultRegistry.RegisterComponent(env.NewEnvSecretStore, "local.env")
	secretstores.DefaultRegistry.RegisterComponent(file.NewLocalSecretStore, "local.file")
	app.Run()
}
