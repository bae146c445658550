# shellcheck shell=bash disable=SC2154
# Builds the programs of a cluster from Go modules into the cache, once; sourced
# by scripts/cluster. Two processors take ten minutes, a third less than with
# functions inlined and notes for a debugger, neither of which a test needs.

# build_go MODULE OUTPUT PACKAGE [FLAG...]
build_go() {
    local module=$1 output=$2 package=$3
    shift 3
    [ ! -x "$binaries/$output" ] || return 0
    say "building $output"
    (cd "$root/k8s/testing/$module" &&
        CGO_ENABLED=0 go build -trimpath -buildvcs=false '-gcflags=all=-dwarf=false -l' -o "$binaries/$output.new" "$@" "$package") ||
        fail "$output does not build; Go reaches its modules by GOPROXY ($(go env GOPROXY))"
    mv "$binaries/$output.new" "$binaries/$output"
}

build_kubernetes() {
    local program
    # Without its version a client refuses the server.
    local kubernetes="-X k8s.io/component-base/version.gitVersion=v$version"
    kubernetes+=" -X k8s.io/component-base/version.gitMajor=${version%%.*}"
    kubernetes+=" -X k8s.io/component-base/version.gitMinor=$(cut -d. -f2 <<<"$version")"
    for program in "$@"; do
        build_go kubernetes "$program" "k8s.io/kubernetes/cmd/$program" -ldflags "-s -w $kubernetes"
    done
}

build_control_plane() {
    require_go
    build_go kubernetes etcd go.etcd.io/etcd/server/v3 -ldflags '-s -w'
    build_kubernetes kube-apiserver kube-controller-manager kubectl kube-scheduler
}

build_node() {
    local program
    require_go
    build_kubernetes kubelet kube-proxy
    for program in containerd containerd-shim-runc-v2 ctr; do
        build_go containerd "$program" "github.com/containerd/containerd/v2/cmd/$program" \
            -tags no_btrfs -ldflags '-s -w'
    done
    build_go extras dns ./dns -ldflags '-s -w'
    build_go extras pause ./pause -ldflags '-s -w'
}

require_go() {
    mkdir -p "$binaries"
    command -v go >/dev/null ||
        fail "this needs Go (https://go.dev/dl) of the version in k8s/testing/kubernetes/go.mod or newer"
}
