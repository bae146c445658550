# shellcheck shell=bash disable=SC2154
# etcd, API server, controllers and scheduler; sourced by scripts/cluster.

token() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }

# Keys and certificates: an authority, the API server's own, and the one by
# which it is known to the kubelet.
make_certificates() {
    local address=$1
    (
        mkdir -p "$state/pki"
        cd "$state/pki"
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
            -subj "/CN=distributed-average test cluster" -keyout ca.key -out ca.crt
        sign() {
            openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
                -subj "$2" -keyout "$1.key" -out "$1.csr"
            openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 \
                -extfile <(printf '%s\n' "$3") -out "$1.crt"
        }
        sign server /CN=kube-apiserver "subjectAltName=IP:127.0.0.1,IP:$address,IP:$api_service,DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local"
        sign kubelet-client /O=system:masters/CN=kube-apiserver extendedKeyUsage=clientAuth
        openssl ecparam -name prime256v1 -genkey -noout -out service-accounts.key
    ) >/dev/null 2>"$state/openssl.log" || fail "openssl cannot make certificates: $(tail -n 3 "$state/openssl.log")"
}

# A user of the API: a line for the API server, and a kubeconfig.
add_user() {
    local file=$1 user=$2 group=$3 address=$4 secret
    secret=$(token)
    echo "$secret,$user,$user,$group" >>"$state/pki/tokens.csv"
    cat >"$file" <<KUBECONFIG
apiVersion: v1
kind: Config
clusters:
  - name: test
    cluster:
      server: https://$address:$api_port
      certificate-authority-data: $(base64 -w0 "$state/pki/ca.crt")
users:
  - name: $user
    user:
      token: $secret
contexts:
  - name: test
    context: { cluster: test, user: $user }
current-context: test
KUBECONFIG
    chmod 600 "$file"
}

# A range of ports that nobody listens on.
free_ports() {
    local base port taken
    while :; do
        base=$((20000 + RANDOM % 12000))
        taken=no
        for port in 0 1 2 3 4; do
            if (: <"/dev/tcp/127.0.0.1/$((base + port))") 2>/dev/null; then
                taken=yes
            fi
        done
        if [ $taken = no ]; then
            echo $base
            return
        fi
    done
}

define_control_plane() {
    local address=$1 base=6440 bind=0.0.0.0
    if [ "$with_node" = no ]; then
        base=$(free_ports)
        bind=127.0.0.1
    fi
    local etcd=http://127.0.0.1:$base peers=http://127.0.0.1:$((base + 1)) pki=$state/pki
    api_port=$((base + 3))
    make_certificates "$address"
    : >"$pki/tokens.csv"
    chmod 600 "$pki/tokens.csv"
    add_user "$kubeconfig" admin system:masters "$address"
    add_user "$state/controllers.kubeconfig" system:kube-controller-manager '' "$address"
    add_user "$state/scheduler.kubeconfig" system:kube-scheduler '' "$address"

    define etcd "$binaries/etcd" --data-dir "$state/etcd" --log-level warn --unsafe-no-fsync \
        --listen-client-urls "$etcd" --advertise-client-urls "$etcd" \
        --listen-peer-urls "$peers" --initial-advertise-peer-urls "$peers" \
        --initial-cluster "default=$peers"
    define api "$binaries/kube-apiserver" --etcd-servers="$etcd" --cert-dir="$state/api" \
        --bind-address="$bind" --secure-port="$api_port" --advertise-address="$address" \
        --tls-cert-file="$pki/server.crt" --tls-private-key-file="$pki/server.key" \
        --client-ca-file="$pki/ca.crt" --token-auth-file="$pki/tokens.csv" \
        --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction \
        --service-account-issuer=https://kubernetes.default.svc \
        --service-account-key-file="$pki/service-accounts.key" \
        --service-account-signing-key-file="$pki/service-accounts.key" \
        --service-cluster-ip-range="$services" \
        --kubelet-client-certificate="$pki/kubelet-client.crt" \
        --kubelet-client-key="$pki/kubelet-client.key" \
        --kubelet-preferred-address-types=InternalIP
    define controllers "$binaries/kube-controller-manager" --leader-elect=false \
        --kubeconfig="$state/controllers.kubeconfig" --authentication-skip-lookup \
        --bind-address=127.0.0.1 --secure-port=$((base + 2)) --cert-dir="$state/controllers" \
        --use-service-account-credentials --root-ca-file="$pki/ca.crt" \
        --service-account-private-key-file="$pki/service-accounts.key"
    define scheduler "$binaries/kube-scheduler" --leader-elect=false \
        --kubeconfig="$state/scheduler.kubeconfig" --authentication-skip-lookup \
        --bind-address=127.0.0.1 --secure-port=$((base + 4)) --cert-dir="$state/scheduler"
}

kubectl() { KUBECONFIG=$kubeconfig "$binaries/kubectl" "$@"; }

start_control_plane() {
    start etcd
    start api
    wait_for 180 "the API server" kubectl get --raw /readyz
    start controllers
    start scheduler
    # The controllers are at work.
    wait_for 180 "the default service account" kubectl get serviceaccount default
}
