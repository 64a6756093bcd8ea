#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# What users of the Redis image expect:
#   docker run kvorum                              the server, data in /data
#   docker run kvorum --port 7000                  with directives
#   docker run kvorum /etc/my/kvorum.conf          with a file of one's own
#   docker run kvorum kvorum-tool wal verify /data another program
#   docker run -e KVORUM_PROXY_PORT=6479 kvorum    directives from the environment
# As root it gives /data to the user kvorum and goes on as that user; `--user` is respected.
set -eu

# An option or a configuration file: the server is meant.
case "${1:-}" in
  -* | *.conf) set -- kvorum-server "$@" ;;
esac

if [ "$1" = kvorum-server ]; then
  if [ "$(id -u)" = 0 ]; then
    # What a volume brought may belong to anybody.
    find /data \! -user kvorum -exec chown kvorum:kvorum '{}' +
    exec setpriv --reuid=kvorum --regid=kvorum --clear-groups -- "$0" "$@"
  fi
  # Data is nobody else's to read, unless somebody has chosen otherwise.
  if [ "$(umask)" = 0022 ]; then
    umask 0077
  fi
  # Without a file of one's own, the image's: it listens on the container's addresses.
  case "${2:-}" in
    *.conf | - | --help | --version) ;;
    *)
      shift
      set -- kvorum-server /etc/kvorum/kvorum.conf "$@"
      ;;
  esac
fi
exec "$@"
