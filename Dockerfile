# syntax=docker/dockerfile:1
#
#   docker build -t loadline-adapter:dev .
#   docker buildx build --platform linux/amd64,linux/arm64 -t REGISTRY/loadline-adapter:TAG --push .
#
# BINARY is a directory of cmd/. The version inside the binary is what git says
# about the source, hence .git belongs to the build context; for a source
# without git, or a linked work tree, add --build-arg GOFLAGS=-buildvcs=false.

# The compiler runs on the machine's own platform and cross-compiles: nothing is
# emulated.
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod \
    go mod download
COPY . .
ARG BINARY=loadline-adapter
ARG GOFLAGS=
ARG LDFLAGS="-s -w"
ARG TARGETOS
ARG TARGETARCH
RUN --mount=type=cache,target=/go/pkg/mod \
    --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH GOFLAGS=$GOFLAGS \
    go build -trimpath -ldflags "$LDFLAGS" -o /out/program ./cmd/$BINARY

FROM gcr.io/distroless/static:nonroot
ARG VERSION=dev
ARG BINARY=loadline-adapter
LABEL org.opencontainers.image.title=$BINARY \
      org.opencontainers.image.version=$VERSION
COPY --from=build /out/program /program
# By number: the kubelet can tell only of a number that it is not root.
USER 65532:65532
ENTRYPOINT ["/program"]
