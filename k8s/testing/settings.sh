# shellcheck shell=bash disable=SC2034,SC2154
# Where things lie and what they are called; sourced by scripts/cluster.

version=1.36.3
cache=${XDG_CACHE_HOME:-$HOME/.cache}/distributed-average
# What is built of other versions lies elsewhere.
binaries=$cache/kubernetes-$version-$(cksum <"$root/k8s/testing/programs/go.sum" | cut -d' ' -f1)

# Several clusters can run side by side under names of their own.
if [ "$with_node" = yes ]; then
    name=${CLUSTER_NAME:-node}
else
    name=${CLUSTER_NAME:-api}
fi
# Not below the checkout: containerd's sockets need short paths, and its layers a
# file system that is not an overlay itself.
state=/var/tmp/distributed-average-cluster/$name
logs=$state/logs
kubeconfig=$state/kubeconfig

services=10.96.0.0/16
api_service=10.96.0.1
pods=10.244.0.0/16
node=$name

# The namespace's network: what is left of the addresses for benchmarks, which
# no real network uses. The index tells clusters that run side by side apart.
namespace=distributed-average-$name
network() { echo "198.18.$(cat "$state/index").$1"; }

# Parts of the cgroup tree that are this cluster's alone, so that another
# kubelet on the same machine leaves them alone.
cgroup=distributed-average-$name
