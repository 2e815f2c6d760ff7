# syntax=docker/dockerfile:1
# The gateway in an image of its own: no shell, no package manager, a user without a name. See docs/team.md.

# The compiler that the profile fits.
FROM rust:1.95.0-bookworm AS build
WORKDIR /source
# What .dockerignore lets in, which is what the build reads.
COPY . .
# The registry and what is built of it stay between two builds: a change of the gateway compiles the gateway alone.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,id=profiled,target=/source/target \
    cargo build --release --locked --bin mcp-gateway \
    && install -D target/release/mcp-gateway /out/usr/local/bin/mcp-gateway \
    && install -D -m 644 registry.yaml /out/etc/mcp-gateway/registry.yaml \
    && install -d -m 700 -o 65532 -g 65532 /out/var/lib/mcp-gateway

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/ /
# Everybody in the network of containers can reach it, so it starts with callers who are authenticated, or not at all:
# make a key first, with `keys create`.
ENV HOST=0.0.0.0 \
    PORT=8000 \
    REGISTRY_PATH=/etc/mcp-gateway/registry.yaml \
    CALLERS_PATH=/var/lib/mcp-gateway/callers.yaml \
    DATABASE_URL=sqlite:///var/lib/mcp-gateway/gateway.db?mode=rwc \
    MCP_GATEWAY_URL=http://127.0.0.1:8000
WORKDIR /var/lib/mcp-gateway
USER 65532:65532
VOLUME /var/lib/mcp-gateway
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 CMD ["/usr/local/bin/mcp-gateway", "health"]
ENTRYPOINT ["/usr/local/bin/mcp-gateway"]
CMD ["serve"]
