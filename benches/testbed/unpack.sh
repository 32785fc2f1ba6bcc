# shellcheck shell=bash
# Part of servers.sh: what the servers are, and how they get into the cache.

COPY=org.apache.maven.plugins:maven-dependency-plugin:3.8.1

describe() { # NAME: sets v, dist, D, zip, brand, and the range of JDKs
  local es=org.elasticsearch.distribution os=org.opensearch.distribution.integ-test-zip
  name=$1
  case $name in
    kafka) v=4.1.2 brand=kafka zip= java="17 24" ;;
    s3) v=0.14.1 brand=s3s-fs zip= java= ;; # the newest that Rust 1.95 builds
    es-1.7) v=1.7.6 brand=elasticsearch zip= java="17 23" ;;
    es-2.4) v=2.4.6 brand=elasticsearch zip=$es.zip java="17 23" ;;
    es-5.6) v=5.6.16 brand=elasticsearch zip=$es.zip java="17 23" ;;
    es-6.8) v=6.8.23 brand=elasticsearch zip=$es.zip java="17 23" ;;
    es-7.10) v=7.10.2 brand=elasticsearch zip=$es.integ-test-zip java="17 23" ;;
    es-7.17) v=7.17.29 brand=elasticsearch zip=$es.integ-test-zip java="17 23" ;;
    es-8) v=8.7.1 brand=elasticsearch zip=$es.integ-test-zip java="17 23" ;;
    es-8.19) v=8.19.21 brand=elasticsearch zip=$es.integ-test-zip java="17 23" ;;
    opensearch-1) v=1.3.20 brand=opensearch zip=$os java="17 23" ;;
    opensearch-2) v=2.19.6 brand=opensearch zip=$os java="17 23" ;;
    opensearch-3) v=3.8.0 brand=opensearch zip=$os java="21 99" ;;
    *) die 64 "unknown server '$name' (servers.sh without arguments lists them)" ;;
  esac
  dist=$brand-$v D=$CACHE/$brand-$v
}

java_home() {
  [ -n "$java" ] || return 0
  # shellcheck disable=SC2086 # two numbers
  jdk $java || die 69 "$name needs a JDK ${java/ / to } (looked in JAVA_HOMES, JAVA_HOME, /usr/lib/jvm)"
}

# ---------------------------------------------------------------- download

maven() {
  local try
  for try in 1 2 3; do mvn -q -B -ntp "$@" >"$PART/maven.log" 2>&1 && return 0; sleep "$try"; done
  cat "$PART/maven.log" >&2
  die 69 "maven could not download for $name: mvn $*"
}

dependencies_of() { # POM OUT [-Dkey=value...]: the jars of a pom file, with what they need
  local t=$PART/pom; mkdir -p "$t"; cp "$HERE/poms/$1.xml" "$t/pom.xml"
  (cd "$t" && maven $COPY:copy-dependencies -DoutputDirectory="$2" -DincludeScope=runtime "${@:3}")
  rm -rf "$t"
}

# The test zips carry no module but the transport. A module is a descriptor, its published jar, what that needs less
# what the server's lib has, and a policy. module NAME GROUP:ARTIFACT:VERSION [POLICY LINES]
module() {
  local m=$PART/$dist/modules/$1 g a mv jar base entry
  IFS=: read -r g a mv <<<"$2"
  dependencies_of module "$m" -Dg="$g" -Da="$a" -Dv="$mv"
  for jar in "$m"/*.jar; do
    base=$(basename "$jar" | sed -E 's/-[0-9][^/]*\.jar$//')
    # shellcheck disable=SC2010 # names of jars
    if ls "$PART/$dist/lib/" | grep -qE "^$base-[0-9]"; then rm "$jar"; fi
  done
  # The one class named *Plugin is the entry.
  entry=$(unzip -Z1 "$m/$a-$mv.jar" | grep -E '/[A-Za-z]+Plugin\.class$' | sed -n '1{s/\.class$//;s#/#.#g;p}')
  cat >"$m/plugin-descriptor.properties" <<P
name=$1
description=$1
version=$v
$brand.version=$v
java.version=1.8
classname=$entry
extended.plugins=
has.native.controller=false
P
  if [ -n "${3:-}" ]; then printf 'grant {\n%s\n};\n' "$3" >"$m/plugin-security.policy"; fi
}

# Elasticsearch 1 asks for the boot class path, which throws since Java 9: in a copy of that one class, which comes first
# on the class path, the name of the method that is called is another's of the same signature.
patch_jvm_info() {
  local class=org/elasticsearch/monitor/jvm/JvmInfo.class from='\x01\x00\x10getBootClassPath' to='\x01\x00\x18getManagementSpecVersion'
  mkdir -p "$PART/$dist/patch/${class%/*}"
  unzip -p "$PART/$dist/lib/elasticsearch-$v.jar" $class | LC_ALL=C sed "s/$from/$to/" >"$PART/$dist/patch/$class"
  grep -aq getManagementSpecVersion "$PART/$dist/patch/$class" || die 70 "$class of $v is not the one that is known"
}

# The test zip of 8.8 and later leaves out the module that answers GET /.
module_rest_root() {
  local m=$PART/$dist/modules/rest-root home; home=$(java_home)
  mkdir -p "$m/classes"
  "$home/bin/javac" -nowarn -d "$m/classes" -cp "$PART/$dist/lib/*" "$HERE/rest-root/RestRootPlugin.java" >&2
  "$home/bin/jar" --create --file "$m/rest-root.jar" -C "$m/classes" .
  rm -r "$m/classes"
  cat >"$m/plugin-descriptor.properties" <<P
name=rest-root
description=GET /
version=$v
elasticsearch.version=$v
java.version=17
classname=RestRootPlugin
extended.plugins=
has.native.controller=false
modulename=
P
}

build_s3() {
  command -v cargo >/dev/null || die 69 "the S3 server is built by cargo, which isn't here"
  CARGO_TARGET_DIR=$PART/target cargo install s3s-fs --version "$v" --locked --features binary --root "$PART/$dist" >"$PART/cargo.log" 2>&1 ||
    { tail -30 "$PART/cargo.log" >&2; die 69 "cargo could not install s3s-fs $v"; }
}

unpack() { # into $PART/$dist
  local net='permission java.net.SocketPermission "*", "connect"; permission java.net.NetPermission "getProxySelector";'
  local loader='permission java.lang.RuntimePermission "createClassLoader"; permission java.lang.RuntimePermission "getClassLoader"; permission org.'$brand'.script.ClassPermission "*";'
  case $name in
    kafka) dependencies_of kafka "$PART/$dist/lib" -Dv="$v" ;;
    s3) build_s3; return ;;
    es-1.7) dependencies_of es-1.7 "$PART/$dist/lib" -Dv="$v"; patch_jvm_info ;;
    *)
      maven $COPY:copy -Dartifact="$zip:$brand:$v:zip" -DoutputDirectory="$PART"
      (cd "$PART" && unzip -q -o "$brand-$v.zip" && rm "$brand-$v.zip") ;;
  esac
  mkdir -p "$PART/$dist/plugins" "$PART/$dist/config"
  local e=org.elasticsearch.plugin c=org.codelibs.elasticsearch.module o=org.opensearch.plugin
  case $name in es-7.*)
    module reindex $e:reindex-client:$v "$net"
    module parent-join $e:parent-join-client:$v
    module mapper-extras $e:mapper-extras-client:$v ;;
  esac
  case $name in opensearch-[12])
    module reindex $o:reindex-client:$v "$net"
    module parent-join $o:parent-join-client:$v
    module mapper-extras $o:mapper-extras-client:$v ;;
  esac
  case $name in
    es-7.10)
      module analysis-common $c:analysis-common:$v
      module lang-painless $c:lang-painless:$v "$loader"
      module ingest-common $c:ingest-common:$v ;;
    es-8.19) module_rest_root ;;
    opensearch-1) module analysis-common $o:analysis-common:1.3.13 ;; # the last of 1.3 that was published
    opensearch-2)
      module analysis-common $o:analysis-common:$v
      module lang-painless $o:lang-painless:$v "$loader"
      module geo $o:geo:$v ;;
  esac
}
