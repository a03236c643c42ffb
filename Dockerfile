# An image that holds one static binary and what it reads: certificates and time zones.
#
#   docker build --build-arg VERSION=v1.2.3 -t jethook .
#   docker run --rm jethook demo --once

FROM --platform=$BUILDPLATFORM golang:1.26.8@sha256:3c3e25a4da13fd0478eed2df1eb35a0e667094a7124d3993a6a1d30f71c17e79 AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates tzdata \
    && rm -rf /var/lib/apt/lists/* \
    && install -d -o 65532 -g 65532 /folders/data \
    && install -d -m 1777 /folders/tmp
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG TARGETOS
ARG TARGETARCH
ARG VERSION
RUN --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -ldflags "-s -w -X main.buildVersion=$VERSION" -o /jethook ./cmd/jethook
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH .ci/licenses /folders/licenses

FROM scratch
LABEL org.opencontainers.image.title="Jethook" \
      org.opencontainers.image.description="A bridge between webhooks and NATS JetStream" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /usr/share/zoneinfo /usr/share/zoneinfo
# /licenses holds those of everything that the binary is linked from. A new volume on /data takes its owner from here.
# Only `jethook demo` writes to /tmp; a tmpfs there takes its mode.
COPY --from=build /folders /
COPY LICENSE /
COPY --from=build /jethook /

# The admin API asks for its token, so it may listen where other containers and published ports reach it.
# The embedded NATS server takes services without a login unless JETHOOK_NATS_TOKEN is set, so it keeps its default,
# this container's loopback: to open it, set the token and JETHOOK_NATS_LISTEN=:4222. Without the token that stops the
# start.
ENV JETHOOK_DATA_DIR=/data \
    JETHOOK_SHUTDOWN_DELAY=5s \
    JETHOOK_ADMIN_LISTEN=:8081
VOLUME /data
EXPOSE 8080 8081 4222
# A numeric user, so that Kubernetes can see that it is not root.
USER 65532:65532
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["/jethook", "health"]
ENTRYPOINT ["/jethook"]
CMD ["serve"]
