# One image with both programs and the browser bundle.
#
#   docker build --tag distributed-average:dev .
#
# A change of one source file rebuilds neither the dependencies nor, unless it
# belongs to the bundle, the bundle. A change in the server rebuilds no other crate.
# PROFILE=dev compiles faster and runs slower.

ARG PROFILE=release

# wasm-opt, which makes the bundle smaller, is a program for Node.js.
FROM docker.io/library/node:22-bookworm-slim AS wasm-opt
WORKDIR /binaryen
COPY xtask/binaryen/ ./
RUN npm ci --ignore-scripts --no-audit --no-fund --loglevel error

# The manifests with empty crates: the dependencies, which depend only on these, are
# built once.
FROM docker.io/library/rust:1.95-bookworm AS manifests
WORKDIR /source
COPY . .
RUN find . -type f ! -name Cargo.toml ! -name Cargo.lock \
        ! -regex '.*/\(lib\|main\|\(src/bin\|benches\|tests\)/[^/]*\)\.rs' -delete \
    && find . -type d -empty -delete \
    && find . -name '*.rs' -exec sh -c 'for file; do echo "fn main() { }" >"$file"; done' - {} +

FROM docker.io/library/rust:1.95-bookworm AS dependencies
ARG PROFILE
ENV CARGO_TARGET_DIR=/target CARGO_INCREMENTAL=0 \
    CARGO_PROFILE_DEV_DEBUG=none CARGO_PROFILE_DEV_STRIP=debuginfo
WORKDIR /source
COPY scripts/as-root scripts/browser-cargo scripts/debian-browser-toolchain scripts/
COPY --from=manifests /source ./
RUN scripts/browser-cargo build --locked --package app --lib --features hydrate --profile browser \
    && cargo build --locked --package xtask \
    && CARGO_PROFILE_DEV_OPT_LEVEL=0 cargo build --locked --profile $PROFILE --package server --package worker

# Cargo's output for the empty crates is newer than the sources, hence `touch`.
FROM dependencies AS bundle
COPY --from=wasm-opt /usr/local/bin/node /usr/local/bin/
COPY --from=wasm-opt /binaryen /binaryen
ENV WASM_OPT=/binaryen/node_modules/.bin/wasm-opt
COPY crates/protocol crates/protocol
COPY xtask xtask
COPY style style
COPY app app
RUN find . -name '*.rs' -exec touch {} + && cargo run --locked --package xtask -- bundle

FROM dependencies AS programs
ARG PROFILE
ENV CARGO_PROFILE_DEV_OPT_LEVEL=0
COPY crates crates
COPY app app
RUN find crates app -name '*.rs' -exec touch {} + \
    && cargo build --locked --profile $PROFILE --package server --package worker
COPY worker worker
COPY server server
COPY scripts/image-root scripts/
RUN find worker server -name '*.rs' -exec touch {} + \
    && cargo build --locked --profile $PROFILE --package server --package worker \
    && folder=/target/$(echo $PROFILE | sed 's/^dev$/debug/') \
    && scripts/image-root / $folder/distributed-average $folder/distributed-average-worker

# No shell and no package manager: the programs, the C library, and certificate authorities.
# Tests build it from existing builds of cargo: --build-context programs=...
# and bundle=... replace the stages.
FROM scratch
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="distributed-average" \
      org.opencontainers.image.description="The exact mean of every index across many files, on many workers, shown live" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=programs /image /
COPY --from=programs --chown=65532:65532 /writable /tmp
COPY --from=programs --chown=65532:65532 /writable /data
COPY --from=bundle /target/site /usr/local/share/distributed-average/site
ENV PATH=/usr/local/bin \
    DISTRIBUTED_AVERAGE_LISTEN=0.0.0.0:3000 \
    DISTRIBUTED_AVERAGE_STORE=/data \
    DISTRIBUTED_AVERAGE_SITE=/usr/local/share/distributed-average/site
USER 65532:65532
EXPOSE 3000
CMD ["distributed-average", "serve"]
