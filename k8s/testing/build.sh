# shellcheck shell=bash disable=SC2154
# Builds the programs of a cluster from Go modules into the cache, once; sourced
# by scripts/cluster. One module and one call for all of them, so that each package
# is compiled once and programs are linked while others compile; neither functions
# inlined nor notes for a debugger, which a test does not need.

# The programs, and the packages that they are.
declare -A packages=(
    [etcd]=go.etcd.io/etcd/server/v3
    [kube-apiserver]=k8s.io/kubernetes/cmd/kube-apiserver
    [kube-controller-manager]=k8s.io/kubernetes/cmd/kube-controller-manager
    [kube-scheduler]=k8s.io/kubernetes/cmd/kube-scheduler
    [kubectl]=k8s.io/kubernetes/cmd/kubectl
    [kubelet]=k8s.io/kubernetes/cmd/kubelet
    [kube-proxy]=k8s.io/kubernetes/cmd/kube-proxy
    [containerd]=github.com/containerd/containerd/v2/cmd/containerd
    [containerd-shim-runc-v2]=github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2
    [ctr]=github.com/containerd/containerd/v2/cmd/ctr
    [dns]=./dns
    [pause]=./pause
)
control_plane=(etcd kube-apiserver kube-controller-manager kube-scheduler kubectl)
node_programs=(kubelet kube-proxy containerd containerd-shim-runc-v2 ctr dns pause)

build() {
    local program missing=() wanted=("${control_plane[@]}")
    [ "$with_node" = no ] || wanted+=("${node_programs[@]}")
    for program in "${wanted[@]}"; do
        [ -x "$binaries/$program" ] || missing+=("$program")
    done
    [ ${#missing[@]} -eq 0 ] || build_programs "${missing[@]}"
}

build_programs() {
    command -v go >/dev/null ||
        fail "this needs Go (https://go.dev/dl) of the version in k8s/testing/programs/go.mod or newer"
    # Without its version a client refuses the server.
    local versioned=k8s.io/component-base/version program names=()
    local flags="-s -w -X $versioned.gitVersion=v$version -X $versioned.gitMajor=${version%%.*}"
    flags+=" -X $versioned.gitMinor=$(cut -d. -f2 <<<"$version")"
    for program; do
        names+=("${packages[$program]}")
    done
    say "building $*"
    rm -rf "$binaries/new"
    mkdir -p "$binaries/new"
    (cd "$root/k8s/testing/programs" &&
        CGO_ENABLED=0 go build -trimpath -buildvcs=false -tags no_btrfs '-gcflags=all=-dwarf=false -l' \
            -ldflags "$flags" -o "$binaries/new/" "${names[@]}") ||
        fail "these do not build; Go reaches its modules by GOPROXY ($(go env GOPROXY))"
    # Go names a program by the last part of its package.
    [ ! -e "$binaries/new/server" ] || mv "$binaries/new/server" "$binaries/new/etcd"
    mv "$binaries"/new/* "$binaries/"
    rmdir "$binaries/new"
}
