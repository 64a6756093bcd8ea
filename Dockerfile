# SPDX-License-Identifier: Apache-2.0
# docker build -t kvorum .
# docker run -p 127.0.0.1:6379:6379 -v kvorum:/data kvorum

FROM debian:12-slim AS build
WORKDIR /src
COPY scripts/install-packages scripts/
RUN scripts/install-packages build && rm -rf /var/lib/apt/lists/*
COPY CMakeLists.txt CMakePresets.json ./
COPY cmake cmake
COPY base base
COPY resp resp
COPY raft raft
COPY disk disk
COPY store store
COPY replica replica
COPY metrics metrics
COPY server server
RUN cmake --preset release -DKVORUM_TESTS=OFF -DKVORUM_BENCHMARKS=OFF \
 && cmake --build build/release --target kvorum-server kvorum-tool \
 && strip build/release/bin/kvorum-server build/release/bin/kvorum-tool

FROM debian:12-slim
# What the two binaries link, by the names of this release.
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      libabsl20220623 libcivetweb1 libisal2 libjemalloc2 liblz4-1 libprometheus-cpp-core1.0 libspdlog1.10 libxxhash0 \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --system --gid 999 kvorum \
 && useradd --system --uid 999 --gid kvorum --home-dir /data --no-create-home \
      --shell /usr/sbin/nologin kvorum \
 && install -d -o kvorum -g kvorum -m 0700 /data
COPY --from=build /src/build/release/bin/kvorum-server /src/build/release/bin/kvorum-tool /usr/local/bin/
COPY deploy/docker/entrypoint.sh /usr/local/bin/docker-entrypoint.sh
COPY deploy/docker/healthcheck.sh /usr/local/bin/docker-healthcheck.sh
COPY deploy/docker/kvorum.conf /etc/kvorum/kvorum.conf

VOLUME /data
WORKDIR /data
# Clients; plain clients; other nodes; metrics. Only the first is on unless told otherwise.
EXPOSE 6379 6479 16379 9101
# SIGTERM: hand leadership on, answer what is in flight, exit 0.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s --retries=3 CMD ["docker-healthcheck.sh"]
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["kvorum-server"]
