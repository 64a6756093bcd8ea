#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Healthy: the server answers PING on its client port, be it that a password is wanted. Whether
# there is a leader is a question about the cluster, not about this container: see /readyz.
set -eu
port="${KVORUM_PORT:-6379}"
# The command line wins over the environment.
previous=
while IFS= read -r -d '' word; do
  [[ "$previous" == --port ]] && port="$word"
  [[ "$word" == --port=* ]] && port="${word#--port=}"
  previous="$word"
done </proc/1/cmdline
exec 3<>"/dev/tcp/127.0.0.1/$port"
printf 'PING\r\n' >&3
IFS= read -r -t 2 reply <&3
[[ "$reply" == +PONG* || "$reply" == -NOAUTH* ]]
