# shellcheck shell=bash disable=SC2154
# Starting and stopping the processes of a cluster; sourced by scripts/cluster.
#
# Each has a file with its command line, one with its process id, and a log, so
# that one alone can be stopped and started again in the midst of a test.

say() { echo "cluster: $*" >&2; }
fail() {
    say "$@"
    exit 1
}

# define NAME COMMAND...: says how a process is started.
define() {
    local process=$1
    shift
    mkdir -p "$state/processes" "$logs"
    printf '%q ' "$@" >"$state/processes/$process.command"
}

# What runs under that name; another process may have got its number since.
pid_of() {
    local pid
    pid=$(cat "$state/processes/$1.pid" 2>/dev/null) || return 1
    [ -e "/proc/$pid/exe" ] || return 1
    case $(readlink "/proc/$pid/exe") in
        "$binaries"/*) echo "$pid" ;;
        *) return 1 ;;
    esac
}

start() {
    local process=$1 enter=()
    [ -e "$state/processes/$process.command" ] || fail "there is no process $process here"
    if pid_of "$process" >/dev/null; then
        return
    fi
    if [ "$with_node" = yes ]; then
        # Not `ip netns exec`, which hides the cgroup mounts.
        enter=(nsenter "--net=/var/run/netns/$namespace" --)
    fi
    # shellcheck disable=SC2046
    eval "exec setsid ${enter[*]} $(cat "$state/processes/$process.command")" \
        </dev/null >>"$logs/$process.log" 2>&1 &
    echo $! >"$state/processes/$process.pid"
}

# stop NAME [SECONDS]: asks it to end, and after so many seconds makes it.
stop() {
    local process=$1 deadline=$((SECONDS + ${2:-10})) pid
    pid=$(pid_of "$process") || return 0
    kill -TERM "$pid" 2>/dev/null || true
    while [ -e "/proc/$pid/exe" ]; do
        if [ $SECONDS -ge $deadline ]; then
            kill -KILL "$pid" 2>/dev/null || true
        fi
        sleep 0.1
    done
    rm -f "$state/processes/$process.pid"
}

# wait_for SECONDS WHAT COMMAND...: until the command succeeds.
wait_for() {
    local deadline=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        if [ $SECONDS -ge $deadline ]; then
            say "waited in vain for $what; it said last: $("$@" 2>&1 | tail -n 3)"
            say "the logs are in $logs, and end so:"
            tail -n 5 "$logs"/* >&2 || true
            exit 1
        fi
        sleep 0.2
    done
}
