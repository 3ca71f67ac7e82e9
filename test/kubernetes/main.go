// The three programs a Kubernetes cluster without nodes is made of, as one binary:
//
//	testcluster etcd | kube-apiserver | kube-controller-manager [flags of that program]
//
// The tests run it on loopback (real-cluster.ts). Nothing here is part of what Skyfabric ships.
// It ends when its standard input does, so that nothing outlives a test process that was killed.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"k8s.io/component-base/cli"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: testcluster etcd|kube-apiserver|kube-controller-manager [flags]")
		os.Exit(2)
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	program := os.Args[1]
	os.Args = os.Args[1:]
	var command *cobra.Command
	switch program {
	case "etcd":
		// Its log is allocated as a whole; a test writes little.
		wal.SegmentSizeBytes = 1 << 20
		etcdmain.Main(os.Args)
		return
	case "kube-apiserver":
		command = apiserver.NewAPIServerCommand()
	case "kube-controller-manager":
		command = controllermanager.NewControllerManagerCommand()
	default:
		fmt.Fprintf(os.Stderr, "unknown program %q: want etcd, kube-apiserver or kube-controller-manager\n", program)
		os.Exit(2)
	}
	os.Exit(cli.Run(command))
}
