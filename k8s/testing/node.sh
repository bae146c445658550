# shellcheck shell=bash disable=SC2154
# A node, in a network namespace of its own: containerd, kubelet, kube-proxy and
# the cluster's DNS; sourced by scripts/cluster.

# The namespace is joined to this machine by one link, and nothing leads from
# there to anywhere else: an image that is not here fails to be pulled at once.
make_network() {
    local index
    for index in $(seq 100 250); do
        ip -o addr show | grep -qF " 198.18.$index." || break
    done
    echo "$index" >"$state/index"
    local outside=da$index inside=eth0 in_namespace=(nsenter "--net=/var/run/netns/$namespace" --)
    ip netns add "$namespace"
    ip link add "$outside" type veth peer name $inside netns "$namespace"
    ip addr add "$(network 1)/30" dev "$outside"
    ip link set "$outside" up
    "${in_namespace[@]}" sh -ec "
        ip link set lo up
        ip addr add $(network 2)/30 dev $inside
        ip link set $inside up
        ip route add unreachable default
        echo 1 >/proc/sys/net/ipv4/ip_forward
    "
}

remove_network() {
    if [ -e "/var/run/netns/$namespace" ]; then
        ip netns del "$namespace"
    fi
    # Goes with its peer, but not before the last process there has ended.
    ip link del "da$(cat "$state/index" 2>/dev/null)" 2>/dev/null || true
}

# With cgroups of version 1 each controller is a tree of its own.
cgroup_folders() {
    if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
        echo "/sys/fs/cgroup/$cgroup"
    else
        local controller
        for controller in /sys/fs/cgroup/*/; do
            [ -e "${controller}cgroup.procs" ] && echo "$controller$cgroup"
        done
    fi
}

make_cgroups() {
    local folder
    for folder in $(cgroup_folders); do
        mkdir -p "$folder"
        if [ -e "$folder/cpuset.cpus" ] && [ -e "$folder/cgroup.clone_children" ]; then
            cat "$folder/../cpuset.cpus" >"$folder/cpuset.cpus"
            cat "$folder/../cpuset.mems" >"$folder/cpuset.mems"
        fi
    done
    if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
        tee "/sys/fs/cgroup/$cgroup/cgroup.subtree_control" >/dev/null \
            <<<"$(sed 's/\([a-z]*\)/+\1/g' /sys/fs/cgroup/cgroup.subtree_control)"
    fi
}

# Ends what is left in the cgroups, and removes them from the leaves up.
remove_cgroups() {
    local folder pids
    for _ in $(seq 50); do
        pids=
        for folder in $(cgroup_folders); do
            [ -d "$folder" ] || continue
            pids+=" $(find "$folder" -name cgroup.procs -exec cat {} + 2>/dev/null | tr '\n' ' ')"
        done
        [ -n "${pids// /}" ] || break
        # $pids is a list.
        # shellcheck disable=SC2086
        kill -KILL $pids 2>/dev/null || true
        sleep 0.1
    done
    for folder in $(cgroup_folders); do
        [ ! -d "$folder" ] || find "$folder" -depth -type d -exec rmdir {} \; 2>/dev/null || true
    done
}

write_containerd_settings() {
    local runc
    runc=$(command -v runc)
    cat >"$state/containerd.toml" <<TOML
version = 3
root = "$state/containerd/root"
state = "$state/containerd/state"

[grpc]
address = "$state/containerd/containerd.sock"

[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = "distributed-average.test/pause:1"

[plugins.'io.containerd.cri.v1.runtime']
# What root in a sandbox may not do.
restrict_oom_score_adj = true
disable_apparmor = true
netns_mounts_under_state_dir = true

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
BinaryName = "$runc"

[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = ["/usr/lib/cni", "/opt/cni/bin"]
conf_dir = "$state/cni"
TOML
    # A link for each pod, and no bridge: what pods say to each other passes
    # through the node's tables, so that services answer without br_netfilter.
    mkdir -p "$state/cni"
    cat >"$state/cni/10-pods.conflist" <<JSON
{
  "cniVersion": "1.0.0",
  "name": "pods",
  "plugins": [{
    "type": "ptp",
    "ipam": {
      "type": "host-local",
      "dataDir": "$state/addresses",
      "ranges": [[{ "subnet": "$pods" }]],
      "routes": [{ "dst": "0.0.0.0/0" }]
    }
  }]
}
JSON
}

write_kubelet_settings() {
    echo "nameserver $(network 2)" >"$state/resolv.conf"
    cat >"$state/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication:
  anonymous: { enabled: false }
  x509: { clientCAFile: $state/pki/ca.crt }
authorization: { mode: Webhook }
cgroupDriver: cgroupfs
cgroupRoot: /$cgroup
clusterDNS: ["$(network 2)"]
clusterDomain: cluster.local
containerRuntimeEndpoint: unix://$state/containerd/containerd.sock
enforceNodeAllocatable: []
evictionHard: { nodefs.available: "1%", imagefs.available: "1%", memory.available: 100Mi }
failCgroupV1: false
failSwapOn: false
featureGates: { KubeletInUserNamespace: true }
fileCheckFrequency: 1m
localStorageCapacityIsolation: false
nodeStatusUpdateFrequency: 4s
podLogsDir: $state/pods-logs
readOnlyPort: 0
resolvConf: $state/resolv.conf
volumePluginDir: $state/volume-plugins
YAML
    cat >"$state/Corefile" <<COREFILE
cluster.local in-addr.arpa {
    ready 127.0.0.1:8181
    errors
    cache 5
    kubernetes cluster.local in-addr.arpa {
        kubeconfig $state/dns.kubeconfig
    }
}
COREFILE
}

define_node() {
    local address=$1
    write_containerd_settings
    write_kubelet_settings
    add_user "$state/kubelet.kubeconfig" "system:node:$node" system:nodes "$address"
    add_user "$state/proxy.kubeconfig" system:kube-proxy '' "$address"
    # It reads services, endpoints, namespaces and pods; in a test it may read more.
    add_user "$state/dns.kubeconfig" cluster-dns system:masters "$address"

    define containerd env "PATH=$binaries:/usr/local/sbin:/usr/sbin:/sbin:$PATH" \
        "$binaries/containerd" --config "$state/containerd.toml"
    define kubelet "$binaries/kubelet" --config="$state/kubelet.yaml" \
        --kubeconfig="$state/kubelet.kubeconfig" --hostname-override="$node" \
        --node-ip="$address" --root-dir="$state/kubelet" --cert-dir="$state/kubelet/pki"
    define proxy "$binaries/kube-proxy" --kubeconfig="$state/proxy.kubeconfig" \
        --hostname-override="$node" --proxy-mode=iptables --cluster-cidr="$pods" \
        --conntrack-max-per-core=0 --conntrack-tcp-timeout-established=0 \
        --conntrack-tcp-timeout-close-wait=0 --healthz-bind-address=127.0.0.1:10256 --nodeport-addresses=primary
    define dns "$binaries/dns" -conf "$state/Corefile" -dns.port 53
}

ctr() { CONTAINERD_SUPPRESS_DEPRECATION_WARNINGS=1 "$binaries/ctr" --address "$state/containerd/containerd.sock" --namespace k8s.io "$@"; }

start_node() {
    start containerd
    wait_for 120 containerd ctr version
    if ! ctr images ls -q | grep -qx distributed-average.test/pause:1; then
        make_pause_image | ctr images import --local - >/dev/null
    fi
    start kubelet
    start proxy
    start dns
    wait_for 180 "the node" node_is_ready
    wait_for 120 "the cluster's DNS" dns_is_ready
}

node_is_ready() { kubectl wait --for=condition=Ready "node/$node" --timeout=1s; }
dns_is_ready() {
    nsenter "--net=/var/run/netns/$namespace" -- \
        bash -c 'exec 3<>/dev/tcp/127.0.0.1/8181; printf "GET /ready HTTP/1.0\r\n\r\n" >&3; grep -q "200 OK" <&3'
}

# The image of a pod's sandbox: one static program.
make_pause_image() {
    local folder digest config
    folder=$(mktemp -d)
    tar -C "$binaries" --owner=0 --group=0 -cf "$folder/layer.tar" pause
    digest=$(sha256sum <"$folder/layer.tar" | cut -d' ' -f1)
    config='{"architecture":"'$(go env GOARCH)'","os":"linux","config":{"Entrypoint":["/pause"],"User":"65535:65535"},"rootfs":{"type":"layers","diff_ids":["sha256:'$digest'"]}}'
    printf '%s' "$config" >"$folder/config.json"
    printf '%s' '[{"Config":"config.json","RepoTags":["distributed-average.test/pause:1"],"Layers":["layer.tar"]}]' \
        >"$folder/manifest.json"
    tar -C "$folder" -cf - manifest.json config.json layer.tar
    rm -rf "$folder"
}

# Containers outlive containerd, so they are ended through it or else by their
# cgroups, and what they had mounted is unmounted.
stop_node() {
    stop kubelet
    stop proxy
    stop dns
    stop containerd
    local pid
    for pid in $(pgrep -f -- "-address $state/containerd/containerd.sock"); do
        [ "$(readlink "/proc/$pid/exe")" != "$binaries/containerd-shim-runc-v2" ] || kill -KILL "$pid"
    done
    remove_cgroups
    local mounts
    mounts=$(awk -v below="$state/" 'index($5, below) == 1 { print $5 }' /proc/self/mountinfo | sort -r)
    # $mounts is a list.
    # shellcheck disable=SC2086
    [ -z "$mounts" ] || umount --lazy $mounts
}
