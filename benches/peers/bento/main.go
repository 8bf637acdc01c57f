// Bento with what a benchmark needs of it: Kafka, HTTP and its language.
package main

import (
	"context"
	"net/http"
	"os"
	"strconv"

	_ "github.com/warpstreamlabs/bento/public/components/io"
	_ "github.com/warpstreamlabs/bento/public/components/kafka"
	_ "github.com/warpstreamlabs/bento/public/components/pure"
	"github.com/warpstreamlabs/bento/public/service"
)

func main() {
	// Its client keeps two idle connections a host, and has no setting for more.
	if idle, err := strconv.Atoi(os.Getenv("IDLE_CONNECTIONS")); err == nil {
		transport := http.DefaultTransport.(*http.Transport)
		transport.MaxIdleConns = idle
		transport.MaxIdleConnsPerHost = idle
	}
	service.RunCLI(context.Background())
}
