#!/usr/bin/env bash
# Real Kafka, Elasticsearch and OpenSearch servers from Maven Central, one node each, and an S3 server from crates.io,
# on 127.0.0.1.
#
#   servers.sh tools SET...             install what is missing (sets below), or name it and exit 69
#   servers.sh fetch NAME...            download and unpack (S3: build) into the cache
#   servers.sh client CLIENT            install a client library and print its folder, or exit 69
#   servers.sh jdk NAME                 print the home of the JDK that NAME would run on (none: nothing), or exit 69
#   servers.sh run NAME DIR PORT        run in the foreground; becomes the server's own process (what the harness calls)
#   servers.sh start NAME DIR PORT      run in the background, return when it answers; it also takes PORT+1
#   servers.sh stop NAME DIR            stop what `start` started
#
# SET: servers  build  data  python  node  balancer  network
# CLIENT: {elasticsearch-py,elasticsearch-js,rest-client}-{7,8}  opensearch-{py,js}  elasticdump
# NAME: kafka  s3  es-1.7  es-2.4  es-5.6  es-6.8  es-7.10  es-7.17  es-8  es-8.19  opensearch-1  opensearch-2  opensearch-3
# Environment:
#   GODWIT_CACHE     unpacked servers; /var/cache/godwit for root, else ${XDG_CACHE_HOME:-~/.cache}/godwit
#   TESTBED_CLUSTER  cluster name (Kafka: cluster id, 22 characters of base64url; S3: access key); random when not set
#   TESTBED_SECRET   S3: secret key; random when not set (DIR/secret has it)
#   TESTBED_HEAP     heap of a server; 512m, Kafka 256m
#   TESTBED_YML      more lines for the configuration file
#   TESTBED_SCRAM    Kafka: a user a line, as StorageTool takes them: SCRAM-SHA-256=[name=NAME,password=PASSWORD]
#   JAVA_HOMES       more JDK homes to look at, separated by blanks
#
# To add a server: a line in `describe` and its modules in `unpack` (unpack.sh), its flags in `flags`.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [ "$(id -u)" = 0 ]; then
  # Servers refuse to run as root and root's home is closed to others: they run as `nobody`, from a folder open to it.
  CACHE=${GODWIT_CACHE:-/var/cache/godwit} NOBODY=65534
else
  CACHE=${GODWIT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/godwit} NOBODY=
fi
# Without these two a server compiles for half a minute before it answers.
FAST="-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:-UsePerfData"

die() { echo "servers.sh: $2" >&2; exit "$1"; }

# ---------------------------------------------------------------- tools

# jdk MIN MAX: the home of the lowest JDK in that range
jdk() {
  local home major best= at=999
  for home in ${JAVA_HOMES:-} ${JAVA_HOME:-} /usr/lib/jvm/*; do
    [ -x "$home/bin/javac" ] && [ -r "$home/release" ] || continue
    major=$(sed -n 's/^JAVA_VERSION="\(1\.\)\{0,1\}\([0-9]*\).*/\2/p' "$home/release")
    if [ -n "$major" ] && [ "$major" -ge "$1" ] && [ "$major" -le "$2" ] && [ "$major" -lt "$at" ]; then
      best=$home at=$major
    fi
  done
  [ -n "$best" ] && echo "$best"
}

apt_has() { apt-cache show "$1" 2>/dev/null | grep -q '^Filename'; }

# tools SET...: what is missing of these sets, installed by apt as root on Debian, else named
tools() {
  local set pair wanted missing=()
  for set in "$@"; do
    case $set in
      servers) wanted="mvn:maven curl:curl unzip:unzip setpriv:util-linux flock:util-linux" ;;
      build) wanted="cmake:cmake make:make cc:gcc c++:g++ pkg-config:pkg-config protoc:protobuf-compiler openssl:openssl unshare:util-linux" ;;
      data) wanted="npm:npm tar:tar" ;;
      python) wanted="python3:python3 pip3:python3-pip" ;;
      node) wanted="node:nodejs npm:npm" ;;
      balancer) wanted="haproxy:haproxy" ;;
      network) wanted="ip:iproute2 nft:nftables unshare:util-linux" ;;
      *) die 64 "unknown set of tools: $set" ;;
    esac
    for pair in $wanted; do command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}"); done
  done
  case " $* " in *" build "*) pkg-config --exists openssl 2>/dev/null || missing+=(libssl-dev) ;; esac
  case " $* " in *" servers "*)
    jdk 17 23 >/dev/null || missing+=(openjdk-17-jdk-headless)
    jdk 21 99 >/dev/null || missing+=(jdk-21) ;;
  esac
  [ ${#missing[@]} -gt 0 ] || return 0
  # Asking apt again for what it did not have takes longer than the tests that could do without.
  if [ "${missing[*]}" = jdk-21 ] && [ -n "$(find "$CACHE/no-jdk-21" -mtime -1 2>/dev/null)" ]; then no_jdk21; return 0; fi
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    # A JDK 21 is wanted, not needed: OpenSearch 2.19 stands in for 3.
    [ "${missing[*]}" = jdk-21 ] && { no_jdk21; return 0; }
    die 69 "missing: ${missing[*]} (as root on Debian they would be installed by apt-get; a JDK 17 and, for OpenSearch 3, a JDK 21 or newer)"
  fi
  (
    mkdir -p "$CACHE"; exec 9>"$CACHE/apt.lock"; flock 9
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >&2 || echo "servers.sh: apt-get update failed; trying with the lists that are here" >&2
    local install=() package
    for package in "${missing[@]}"; do
      case $package in
        jdk-21)
          for package in openjdk-21-jdk-headless openjdk-25-jdk-headless temurin-21-jdk temurin-25-jdk; do
            apt_has $package && { install+=($package); continue 2; }
          done
          touch "$CACHE/no-jdk-21"; no_jdk21 ;;
        openjdk-17-jdk-headless)
          for package in openjdk-17-jdk-headless temurin-17-jdk openjdk-21-jdk-headless; do
            apt_has $package && { install+=($package); continue 2; }
          done
          die 69 "no JDK 17 to 23 is installed and apt offers none" ;;
        *) install+=("$package") ;;
      esac
    done
    [ ${#install[@]} -gt 0 ] || exit 0
    echo "servers.sh: installing ${install[*]}" >&2
    apt-get install -y -qq --no-install-recommends "${install[@]}" >&2 </dev/null || die 69 "apt-get could not install ${install[*]}"
  )
}

no_jdk21() { echo "servers.sh: no JDK 21 or newer, and apt offers none: OpenSearch 2.19 will stand in for 3" >&2; }

# shellcheck source=unpack.sh
. "$HERE/unpack.sh"
# shellcheck source=clients.sh
. "$HERE/clients.sh"

install_once() { # WHAT MAKE: $D as MAKE makes it in $PART/$dist, unless it is there; one at a time over all processes; whole or not at all
  mkdir -p "$CACHE"; [ -z "$NOBODY" ] || chmod 755 "$CACHE"
  (
    exec 9>"$CACHE/$dist.lock"; flock 9
    if [ -e "$D/.ok" ]; then exit 0; fi
    echo "servers.sh: $1" >&2
    PART=$D.part; rm -rf "$PART" "$D"; mkdir -p "$PART/$dist"
    "$2"
    touch "$PART/$dist/.ok"
    mv "$PART/$dist" "$D"; rm -rf "$PART"
  )
}

fetch() { # NAME: nothing to do when it is there
  describe "$1"
  [ -e "$D/.ok" ] && return 0
  [ "$name" = s3 ] || tools servers
  install_once "fetching $name ($dist)" unpack_for_all
}
unpack_for_all() { unpack; chmod -R a+rX "$PART/$dist"; }

# ---------------------------------------------------------------- run

token() { # 22 characters that are also a valid Kafka cluster id
  local t; t=$(head -c 96 /dev/urandom | base64 -w0 | tr -dc 'A-Za-z0-9'); echo "${t:0:21}A"
}

configure_kafka() {
  cat >"$W/config/server.properties" <<Y
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$((PORT + 1))
listeners=PLAINTEXT://127.0.0.1:$PORT,CONTROLLER://127.0.0.1:$((PORT + 1))
advertised.listeners=PLAINTEXT://127.0.0.1:$PORT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs=$W/data
auto.create.topics.enable=true
num.partitions=4
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
message.max.bytes=8388608
${TESTBED_YML:-}
Y
}

configure_cluster() {
  local transport=transport.port
  cp -r "$D/config/." "$W/config/"
  case $name in es-1.7|es-2.4|es-5.6|es-6.8) transport=transport.tcp.port ;; esac
  cat >"$W/config/$brand.yml" <<Y
cluster.name: $CLUSTER
node.name: n1
network.host: 127.0.0.1
http.port: $PORT
$transport: $((PORT + 1))
path.data: $W/data
path.logs: $W/logs
path.repo: ["$W/repo"]
cluster.routing.allocation.disk.threshold_enabled: false
$(case $name in
  es-1.7) echo 'discovery.zen.ping.multicast.enabled: false' ;;
  es-2.4) ;; # finds nobody beside itself on 127.0.0.1 unless it is told where to look
  *) echo 'discovery.type: single-node' ;;
esac
case $name in es-6.8|es-7.17|es-8*) echo 'xpack.security.enabled: false' ;; esac
case $name in es-6.8) echo 'xpack.ml.enabled: false' ;; esac)
${TESTBED_YML:-}
Y
  # The launcher of Elasticsearch 8 takes its JVM's flags from here. A temporary folder that the server itself lies
  # under would stop 8.19 ("invalid file entitlement").
  case $name in es-8*) printf '%s\n' "-Xms$HEAP" "-Xmx$HEAP" $FAST "-Djava.io.tmpdir=$W/tmp" >"$W/config/jvm.options" ;; esac
}

flags() { # the flags and the main class of an Elasticsearch or OpenSearch
  local flavor=default; [ "$name" != es-7.10 ] || flavor=oss
  case $name in
    es-1.7) echo "-Des.path.home=$D -Des.path.conf=$W/config -Des.foreground=yes org.elasticsearch.bootstrap.Elasticsearch" ;;
    es-2.4) echo "-Des.path.home=$D -Des.path.conf=$W/config -Djava.security.manager=allow
      org.elasticsearch.bootstrap.Elasticsearch start" ;;
    es-*) echo "-Des.path.home=$D -Des.path.conf=$W/config -Des.distribution.flavor=$flavor -Des.distribution.type=zip
      -Djava.security.manager=allow org.elasticsearch.bootstrap.Elasticsearch" ;;
    opensearch-1|opensearch-2) echo "-Dopensearch.path.home=$D -Dopensearch.path.conf=$W/config -Dopensearch.distribution.type=tar
      -Djava.security.manager=allow org.opensearch.bootstrap.OpenSearch" ;;
    opensearch-3) echo "-Dopensearch.path.home=$D -Dopensearch.path.conf=$W/config -Dopensearch.distribution.type=tar
      -javaagent:$D/agent/opensearch-agent.jar --add-opens=java.base/java.nio=ALL-UNNAMED org.opensearch.bootstrap.OpenSearch" ;;
  esac
}

run() { # NAME DIR PORT: ends as the server's own process
  fetch "$1"
  local home; home=$(java_home)
  W=$(mkdir -p "$2" && cd "$2" && pwd) PORT=$3
  mkdir -p "$W"/{data,logs,repo,tmp,config}
  # A second start on the same folder is the same cluster.
  if [ ! -s "$W/cluster" ]; then echo "${TESTBED_CLUSTER:-$(token)}" >"$W/cluster"; fi
  CLUSTER=$(cat "$W/cluster") HEAP=${TESTBED_HEAP:-512m}
  case $name in
    kafka) configure_kafka ;;
    s3) mkdir -p "$W/data/bucket"; [ -s "$W/secret" ] || echo "${TESTBED_SECRET:-$(token)}" >"$W/secret" ;;
    *) configure_cluster ;;
  esac
  local as=()
  if [ -n "$NOBODY" ]; then
    chown -R $NOBODY:$NOBODY "$W"
    as=(setpriv "--reuid=$NOBODY" "--regid=$NOBODY" --clear-groups)
  fi
  # The wish to die with the parent is forgotten when the user changes, so it is made after that; a parent that died
  # before it was made is seen by its number.
  # shellcheck disable=SC2016 # expanded by that shell
  local leash=(setpriv --pdeathsig KILL -- sh -c '[ "$PPID" = "$0" ] || exit 1; exec "$@"' $PPID)
  if [ -n "${TESTBED_DETACH:-}" ]; then leash=(); fi
  cd "$W"; export HOME=$W
  if [ "$name" = s3 ]; then
    exec "${as[@]}" "${leash[@]}" "$D/bin/s3s-fs" --host 127.0.0.1 --port "$PORT" --access-key "$CLUSTER" --secret-key "$(cat "$W/secret")" data
  fi
  # shellcheck disable=SC2206 # lists of flags
  local common=("$home/bin/java" $FAST -Djava.io.tmpdir="$W/tmp" -Dfile.encoding=UTF-8 -Djava.awt.headless=true)
  if [ "$name" = kafka ]; then
    local user users=()
    while read -r user; do [ -z "$user" ] || users+=(--add-scram "$user"); done <<<"${TESTBED_SCRAM:-}"
    [ -e "$W/data/meta.properties" ] || "${as[@]}" "${common[@]}" -cp "$D/lib/*" kafka.tools.StorageTool \
      format -t "$CLUSTER" -c "$W/config/server.properties" "${users[@]}"
    exec "${as[@]}" "${leash[@]}" "${common[@]}" -Xmx"${TESTBED_HEAP:-256m}" -cp "$D/lib/*" kafka.Kafka "$W/config/server.properties"
  fi
  case $name in es-8*)
    # Its server reads its arguments from a launcher, and ends when that is gone.
    export ES_PATH_CONF=$W/config ES_JAVA_HOME=$home ES_TMPDIR=$W/tmp CLI_JAVA_OPTS="$FAST"
    exec "${as[@]}" "${leash[@]}" "$D/bin/elasticsearch" ;;
  esac
  export LIBFFI_TMPDIR=$W/tmp # 7.17 asks for it
  # Without log4j.shutdownHookEnabled=false some wait for 30 s at their end.
  local jars="$D/lib/*" o; read -r -d '' -a o < <(flags) || true
  [ "$name" != es-1.7 ] || jars=$D/patch:$jars
  exec "${as[@]}" "${leash[@]}" "${common[@]}" "-Xms$HEAP" "-Xmx$HEAP" -Djna.tmpdir="$W/tmp" -Dlog4j2.disable.jmx=true \
    -Dlog4j.shutdownHookEnabled=false -Dlog4j2.formatMsgNoLookups=true -cp "$jars" "${o[@]}"
}

# ---------------------------------------------------------------- by hand: start, stop

answers() { # does the server on $PORT answer, and is it ours?
  if [ "$name" = kafka ]; then # a Metadata request, version 5, no topics: the reply names the cluster id
    exec 3<>"/dev/tcp/127.0.0.1/$PORT" || return 1
    printf '\0\0\0\x13\0\x03\0\x05\0\0\0\x01\0\x04hand\0\0\0\0\0' >&3
    timeout 3 head -c 64 <&3 | grep -aqF "$(cat "$W/cluster")"
  elif [ "$name" = s3 ]; then
    [ "$(curl -s -m 3 -o /dev/null -w '%{http_code}' "http://127.0.0.1:$PORT/")" = 403 ]
  else
    curl -sf -m 3 "http://127.0.0.1:$PORT/_cluster/health?wait_for_status=yellow&timeout=2s" | grep -qF "\"$(cat "$W/cluster")\""
  fi
} 2>/dev/null

start() { # NAME DIR PORT
  fetch "$1"; W=$(mkdir -p "$2" && cd "$2" && pwd) PORT=$3
  local q pid began=$SECONDS
  for q in "$PORT" $((PORT + 1)); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$q") 2>/dev/null; then die 75 "port $q is taken"; fi
  done
  TESTBED_DETACH=1 setsid "$HERE/servers.sh" run "$name" "$W" "$PORT" >"$W/out.log" 2>&1 </dev/null &
  pid=$!; echo $pid >"$W/pid"
  until (answers); do
    kill -0 $pid 2>/dev/null && [ $((SECONDS - began)) -lt 180 ] || { tail -30 "$W/out.log" >&2; stop "$name" "$W"; die 69 "$name did not start"; }
    sleep 0.2
  done
  echo "$name answers on 127.0.0.1:$PORT, process $pid, after $((SECONDS - began)) s"
}

stop() { # NAME DIR
  local pid i; [ -s "$2/pid" ] || return 0; pid=$(cat "$2/pid")
  kill "$pid" 2>/dev/null || true
  for i in $(seq 150); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
  kill -9 "$pid" 2>/dev/null || true; rm -f "$2/pid"
}

case ${1:-} in
  tools) shift; tools "$@" ;;
  fetch) shift; for server in "$@"; do fetch "$server"; done ;;
  client) client "${2:?CLIENT}" ;;
  jdk) describe "${2:?NAME}"; java_home ;;
  run|start) "$1" "${2:?NAME}" "${3:?DIR}" "${4:?PORT}" ;;
  stop) describe "${2:?NAME}"; stop "$2" "${3:?DIR}" ;;
  *) sed -n '2,26s/^# \{0,1\}//p' "$0" >&2; exit 64 ;;
esac
