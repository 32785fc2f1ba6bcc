# shellcheck shell=bash
# Part of servers.sh: client libraries and programs, each of one version, in a folder of the cache of its own.

describe_client() { # NAME: sets set (of tools), package, v
  name=$1
  case $name in
    elasticsearch-py-7) set=python package=elasticsearch v=7.17.13 ;;
    elasticsearch-py-8) set=python package=elasticsearch v=8.19.3 ;;
    opensearch-py) set=python package=opensearch-py v=2.8.0 ;;
    elasticsearch-js-7) set=node package=@elastic/elasticsearch v=7.17.14 ;;
    elasticsearch-js-8) set=node package=@elastic/elasticsearch v=8.19.1 ;;
    opensearch-js) set=node package=@opensearch-project/opensearch v=2.13.0 ;;
    elasticdump) set=node package=elasticdump v=6.125.1 ;;
    rest-client-7) set=servers package=org.elasticsearch.client:elasticsearch-rest-client v=7.17.29 ;;
    rest-client-8) set=servers package=org.elasticsearch.client:elasticsearch-rest-client v=8.19.21 ;;
    *) die 64 "unknown client '$name'" ;;
  esac
  dist=client-$name-$v D=$CACHE/client-$name-$v
}

install_client() { # into $PART/$dist
  local log=$PART/install.log to=$PART/$dist
  case $set in
    python) python3 -m pip install -q --disable-pip-version-check --root-user-action ignore --target "$to" "$package[async]==$v" ;;
    node) npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$to" "$package@$v" ;;
    servers) (dependencies_of module "$to" -Dg="${package%%:*}" -Da="${package##*:}" -Dv="$v") ;;
  esac >"$log" 2>&1 || { tail -20 "$log" >&2; die 70 "cannot install $package $v"; }
}

client() { # NAME: prints its folder; installs it first where it isn't there. 69: what it runs on is missing
  describe_client "$1"
  if [ ! -e "$D/.ok" ]; then
    tools "$set"
    install_once "installing $name ($package $v)" install_client
  fi
  echo "$D"
}
