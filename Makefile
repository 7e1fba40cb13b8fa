# Everything a developer runs. `make help` lists the targets.
# ARGS is passed on to the program: make demo ARGS=--keep

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# The stages share two cores and one cluster; their output is read in order.
.NOTPARALLEL:

REMINDME := deploy/examples/remindme
STAGE := hack/stage.sh
ARGS ?=
SOURCE ?= embedded
VERSION ?=
# The race detector needs a C compiler. Without one the tests run without it,
# and `make unit` says so.
CGO := $(shell go env CGO_ENABLED)
RACE := $(if $(filter 1,$(CGO)),-race)
# All but that is without C: a static binary runs in any image and in any
# namespace, and what the checks have compiled is not compiled once more.
export CGO_ENABLED := 0
# They wait for the HPA controller more than they compute. The scenarios have the shortest
# limits: they begin when the many policies have been made and only come to rest.
E2E := env LOADLINE_ROOT=$(CURDIR) bin/cluster exec -- bin/e2e.test -test.v -test.timeout 30m
EXPLAIN := env LOADLINE_ROOT=$(CURDIR) bin/cluster exec -- bin/explain.test -test.v -test.timeout 10m
ADMISSION := env LOADLINE_ROOT=$(CURDIR) bin/cluster exec -- bin/admission.test -test.v -test.timeout 20m
POLICIES := env LOADLINE_ROOT=$(CURDIR) bin/cluster exec -- bin/policy.test -test.v -test.timeout 90m

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Watch it and test it

.PHONY: demo
demo: build tools ## Scale Remind Me on a local cluster and show it live; SOURCE=prometheus has one, ARGS=--keep leaves it running
	@go build -o bin/demo ./hack/cmd/demo
	@bin/cluster exec -- bin/demo --source=$(SOURCE) $(ARGS)

.PHONY: test
test: verify unit conformance e2e ## Everything: verify, unit, conformance, e2e

.PHONY: unit
unit: ## Unit tests of both modules, with the race detector
	@[[ -n "$(RACE)" ]] || echo 'no C compiler (go env CGO_ENABLED is not 1): the tests run WITHOUT the race detector'
	@$(STAGE) 'unit tests' env CGO_ENABLED=$(CGO) go test $(RACE) -timeout 15m ./...
	@$(STAGE) 'unit tests of Remind Me' env CGO_ENABLED=$(CGO) go -C $(REMINDME) test $(RACE) -timeout 15m ./...

# Four at a time, for each waits for its Prometheus half of the time.
.PHONY: conformance
conformance: tools verify-alerts verify-chart verify-arithmetic verify-release ## The adapter against each case of hack/conformance, the alerts, the chart, the arithmetic of HPAs, and a release; ARGS="-run 'TestCases/external'" for some
	@$(STAGE) 'conformance' go test -count=1 -tags e2e -parallel 4 -timeout 15m ./hack/conformance $(ARGS)

.PHONY: e2e
e2e: build tools ## End-to-end tests, on local clusters side by side; ARGS='-test.run TestName' for one
	@$(STAGE) 'compile the e2e tests' go test -c -tags e2e -o bin/e2e.test ./hack/e2e
	@$(STAGE) 'compile the e2e tests of policies' go test -c -tags e2e -o bin/policy.test ./hack/e2e/policy
	@$(STAGE) 'compile the e2e tests of admission' go test -c -tags e2e -o bin/admission.test ./hack/e2e/admission
	@$(STAGE) 'compile the e2e tests of explanations' go test -c -tags e2e -o bin/explain.test ./hack/e2e/explain
	@$(STAGE) 'compile the e2e tests of the cluster and its node' go test -c -tags e2e -o bin/ ./hack/cluster ./hack/node
	@$(if $(ARGS),$(STAGE) 'e2e tests' $(E2E) $(ARGS),hack/together.sh \
		'scaling' "$(E2E) -test.run '^Test[123]'" \
		'cluster, node, a proxy' "go test -count=1 -tags e2e ./hack/cmd/cluster; \
			bin/cluster exec -- bin/cluster.test -test.v -test.timeout 10m; \
			bin/cluster exec -- bin/node.test -test.v -test.timeout 10m -test.run E2E; \
			$(E2E) -test.run '^Test4HungInFront'"; hack/together.sh \
		'the embedded engine' "echo 'without the tests of a Prometheus that is away or hangs, which it does not have, and of its rules'; \
			$(E2E) -source=embedded -test.run '^Test(1R|2|3|5)'" \
		'outages, explanations' "$(E2E) -test.run '^Test4SourceAway'; $(EXPLAIN)" \
		'the rest' "$(E2E) -test.skip '^Test[1234]'"; hack/together.sh \
		'policies' "echo 'without TestP10GitOps, whose tools take minutes to build (make e2e-gitops),'; \
			echo 'TestP14Story, which needs a machine that does nothing else (make stories), and with 16 of the 500 of TestP15Scenarios (make soak)'; \
			$(POLICIES) -test.skip '^TestP([23567]|1[0145])'" \
		'policies, in time' "$(POLICIES) -test.run '^TestP(3|11)'" \
		'policies, faults' "$(POLICIES) -test.run '^TestP[267]'"; hack/together.sh \
		'policies, many' "$(POLICIES) -test.run '^TestP5'" \
		'admission, scenarios' "$(ADMISSION); $(POLICIES) -test.run '^TestP15'")

# Of Flux and Argo CD only what applies and compares is built, which shares most of its
# compilation with the servers: 24 and 55 s of CPU from empty caches. With the downloads that
# is too much for each run, hence a target of its own. Helm takes 115 s, and its chart is
# looked at in each.
.PHONY: helm
helm:
	@$(STAGE) 'build Helm' go -C hack/tools/helm build -trimpath -o $(CURDIR)/bin/ helm.sh/helm/v4/cmd/helm

.PHONY: gitops-tools e2e-gitops
gitops-tools:
	@$(STAGE) 'build what Flux applies and compares by' go -C hack/tools/flux build -trimpath -o $(CURDIR)/bin/ .
	@$(STAGE) 'build what Argo CD applies and compares by' go -C hack/tools/argocd build -trimpath -o $(CURDIR)/bin/ .

e2e-gitops: build tools gitops-tools helm ## Helm, Flux and Argo CD see no drift in policies; not in e2e, for their builds take minutes
	@$(STAGE) 'compile the e2e tests of policies' go test -c -tags e2e -o bin/policy.test ./hack/e2e/policy
	@$(STAGE) 'e2e tests, GitOps' $(POLICIES) -test.run '^TestP10GitOps' $(ARGS)

# The servers of another minor take minutes to build, and the tests as long as the others.
# They run with the feature gates as they are by default there, as users have them, and what
# those change for policies once more with the gates on.
.PHONY: e2e-oldest
e2e-oldest: export LOADLINE_KUBERNETES := 1.34
e2e-oldest: build ## Scaling, policies, holds, rollouts and admission on the oldest supported Kubernetes, 1.34
	@$(STAGE) 'servers of Kubernetes $(LOADLINE_KUBERNETES)' go run ./hack/cmd/cluster build
	@$(STAGE) 'compile the e2e tests' go test -c -tags e2e -o bin/e2e.test ./hack/e2e
	@$(STAGE) 'compile the e2e tests of policies' go test -c -tags e2e -o bin/policy.test ./hack/e2e/policy
	@$(STAGE) 'compile the e2e tests of admission' go test -c -tags e2e -o bin/admission.test ./hack/e2e/admission
	@$(STAGE) 'compile the e2e tests of explanations' go test -c -tags e2e -o bin/explain.test ./hack/e2e/explain
	@hack/together.sh \
		'scaling' "$(E2E) -test.run '^Test[123]'" \
		'the embedded engine' "$(E2E) -source=embedded -test.run '^Test(1R|2|5)'"; hack/together.sh \
		'policies' "$(POLICIES) -test.run '^TestP(1B|2|8|9)'; $(EXPLAIN)" \
		'policies, in time' "$(POLICIES) -test.run '^TestP(3|11)'; \
			$(POLICIES) -feature-gates=HPAScaleToZero=true,HPAConfigurableTolerance=true -test.run '^TestP2Side/(Zero|Tolerance)'" \
		'policies, switches, admission' "$(POLICIES) -test.run '^TestP1[23]'; $(ADMISSION)"

.PHONY: stories
stories: build tools ## Roll out, undo and switch Remind Me with and without a policy, and print what is lost
	@$(STAGE) 'compile the e2e tests of policies' go test -c -tags e2e -o bin/policy.test ./hack/e2e/policy
	@$(POLICIES) -test.run '^TestP14Story$$' $(ARGS)

.PHONY: soak
soak: build tools ## Kill loadline-policy at random points of 100 policies' lives and of 500 scenarios; ARGS='-seeds=250 -scenarios=5000' for ten times as many
	@$(STAGE) 'compile the e2e tests of policies' go test -c -tags e2e -o bin/policy.test ./hack/e2e/policy
	@$(POLICIES) -test.run '^TestP7Killed$$' -seeds=25 $(ARGS)
	@$(POLICIES) -test.run '^TestP15' -scenarios=500 -test.timeout 4h $(ARGS)

.PHONY: bench-policies
bench-policies: build tools ## Measure loadline-policy with 1,000 and 10,000 policies: without targets, at rest, busy
	@$(STAGE) 'compile the e2e tests of policies' go test -c -tags e2e -o bin/policy.test ./hack/e2e/policy
	@for n in 1000 10000; do for are in policies resting busy; do \
		$(STAGE) "$$n policies, $$are" $(POLICIES) -test.run '^TestP5Thousand$$' -policies=0 -resting=0 -busy=0 -$$are=$$n $(ARGS); \
	done; done

.PHONY: bench
bench: build tools ## Measure the adapter's reads and print a table; ARGS=--hpas=1000 is the large case
	@go build -o bin/bench ./hack/cmd/bench
	@LOADLINE_ROOT=$(CURDIR) bin/cluster exec -- bin/bench $(ARGS)

.PHONY: bench-scale
bench-scale: build tools ## Measure a rule that matches 200,000 series, and 10,000 HPA metrics over 100,000 pods
	@go build -o bin/bench ./hack/cmd/bench
	@LOADLINE_ROOT=$(CURDIR) bin/cluster exec -- bin/bench --wide=200000
	@go test ./adapter -run '^$$' -bench BenchmarkFleet -benchtime 1x -timeout 20m

# Each step takes a minute: the load has to be low for a while before the next.
.PHONY: bench-reaction
bench-reaction: build tools ## Measure how long a step of the load takes to a new value and to spec.replicas, with each source
	@$(STAGE) 'compile the e2e tests' go test -c -tags e2e -o bin/e2e.test ./hack/e2e
	@for source in embedded prometheus; do $(E2E) -source=$$source -test.run '^Test10Reaction$$' -steps=5 $(ARGS); done

.PHONY: bench-embedded
bench-embedded: ## Measure the adapter without a Prometheus: cost by pods, bytes a series, cold start, reaction
	@go test ./provider/source/embedded/... -run '^$$' -bench . -benchtime 1x -timeout 60m $(ARGS)

.PHONY: bench-lint
bench-lint: ## Measure kubectl loadline lint with 10,000 objects
	@go test ./policy/lint -run '^$$' -bench BenchmarkLint -benchtime 5x

# On a machine without root or the Debian packages it says so, in large letters, and does
# nothing; with LOADLINE_NODE=required that fails. Not a part of test, which anybody can run
# without leaving packages behind; .ci/run runs both.
.PHONY: e2e-node e2e-node-here
e2e-node: ## Install Loadline on a real node, from its own images, and disturb it; needs root and Debian. ARGS='-test.run TestN3'
	@status=0; hack/realnode/packages.sh || status=$$?; \
	case $$status in \
		0) $(MAKE) --no-print-directory e2e-node-here ;; \
		75) ;; \
		*) exit $$status ;; \
	esac

e2e-node-here: tools helm
	@$(STAGE) 'build realnode' go build -o bin/ ./hack/cmd/realnode
	@$(STAGE) 'build kubectl-loadline' go build -o bin/ ./cmd/kubectl-loadline
	@$(STAGE) 'kubelet and kube-proxy' bin/realnode build
	@$(STAGE) 'images, by their Dockerfiles' bin/realnode images
	@rm -rf bin/release
	@$(STAGE) 'images, as a release has them' go -C hack/release run . -out $(CURDIR)/bin/release -platforms linux/$(shell go env GOARCH)
	@[[ -z "$$(git status --porcelain)" ]] || echo 'NOT COMMITTED, and so not in the images of the release, by which all goes on from the step "a new version": see git status'
	@$(STAGE) 'compile the e2e tests on a real node' go test -c -tags e2e -o bin/realnode.test ./hack/e2e/realnode
	@$(STAGE) 'e2e tests on a real node' env LOADLINE_ROOT=$(CURDIR) bin/realnode exec -- bin/realnode.test -test.v -test.timeout 60m $(ARGS)

##@ Build

.PHONY: build
build: ## Our programs, into bin/
	@$(STAGE) 'build loadline-adapter' go build -o bin/ ./cmd/loadline-adapter
	@$(STAGE) 'build loadline-policy' go build -o bin/ ./cmd/loadline-policy
	@$(STAGE) 'build kubectl-loadline' go build -o bin/ ./cmd/kubectl-loadline
	@$(STAGE) 'build cluster' go build -o bin/ ./hack/cmd/cluster
	@$(STAGE) 'build Remind Me' $(MAKE) --no-print-directory remindme

.PHONY: remindme
remindme: ## The sample workload, in its two versions
	@cd $(REMINDME) && for version in v1 v2; do \
		for program in remindmeweb remindmeapi; do \
			go build -ldflags "-X main.version=$$version" -o $(CURDIR)/bin/$$program-$$version ./cmd/$$program; \
		done; \
	done
	@cd $(REMINDME) && go build -o $(CURDIR)/bin/ ./cmd/remindme-worker ./cmd/remindme-queue

.PHONY: tools
tools: ## The cluster's servers, into the user's cache (minutes, once)
	@$(STAGE) 'servers of the local cluster' go run ./hack/cmd/cluster build

# Of what is committed, whatever the work tree has (hack/release/doc.go).
.PHONY: release
release: helm ## Archives of the programs, images, the chart's package and their sums, into dist/; VERSION=v1.2.3 for one that is not HEAD's tag
	@rm -rf dist
	@$(STAGE) 'release' go -C hack/release run . -version '$(VERSION)' $(ARGS)

.PHONY: clean
clean: ## Remove bin/ and dist/; the servers stay in the user's cache
	rm -rf bin dist

##@ Check, and mend what can be mended by a program

.PHONY: verify
verify: verify-gofmt verify-mod verify-vet verify-lint verify-arch verify-docs verify-links verify-crds verify-monitoring verify-copies ## All checks but those that need what takes minutes to build: verify-alerts, verify-chart, verify-arithmetic, verify-release

.PHONY: update
update: update-gofmt update-mod update-crds update-docs update-monitoring update-copies ## All mends

.PHONY: verify-gofmt update-gofmt
verify-gofmt: ## Go files are formatted
	@$(STAGE) gofmt hack/verify/gofmt.sh
update-gofmt: ## Format them
	@gofmt -w .

.PHONY: verify-mod update-mod
verify-mod: ## go.mod and go.sum of every module are tidy
	@$(STAGE) 'go mod tidy' hack/verify/mod.sh verify
update-mod: ## Tidy them
	@hack/verify/mod.sh update

.PHONY: verify-vet
verify-vet: ## go vet
	@$(STAGE) 'go vet' go vet -tags e2e ./...
	@$(STAGE) 'go vet of Remind Me' go -C $(REMINDME) vet ./...

.PHONY: verify-lint
verify-lint: ## staticcheck
	@$(STAGE) staticcheck hack/verify/lint.sh

.PHONY: verify-arch
verify-arch: ## Imports point one way
	@$(STAGE) 'import directions' go test -count=1 ./hack/arch

.PHONY: verify-docs update-docs
verify-docs: ## docs/reference says what the code says
	@$(STAGE) 'generated docs' hack/verify/docs.sh
update-docs: ## Generate docs/reference
	@go run ./hack/cmd/gendocs docs/reference

.PHONY: verify-links
verify-links: ## Links of the Markdown files lead somewhere
	@$(STAGE) 'links' go test -count=1 ./hack/links

.PHONY: verify-crds update-crds
verify-crds: ## deploy/crd and the deep copies say what policy/api says
	@$(STAGE) 'generated CRDs' hack/verify/crds.sh verify
update-crds: ## Generate them
	@hack/verify/crds.sh update

# What they ask for, and that each has a page, is among the unit tests.
.PHONY: verify-monitoring update-monitoring
verify-monitoring: ## deploy/monitoring has what is generated of its rule files, and the dashboard
	@$(STAGE) 'generated monitoring' hack/verify/monitoring.sh
update-monitoring: ## Generate it
	@go run ./hack/cmd/genmonitoring deploy/monitoring deploy/monitoring

# Seconds, but promtool is built with the cluster's servers, which takes minutes. So it is
# a part of conformance, which needs these as well, and not of verify.
.PHONY: verify-alerts
verify-alerts: tools ## promtool: each alert fires when it should, and not otherwise
	@$(STAGE) 'alerts' go test -count=1 -tags e2e -run '^TestPromtool$$' ./hack/monitoring

# The HPA controller is compiled for it, from Kubernetes' module. With the flags that the servers
# are built with it is compiled once for both, so this is a part of conformance, and not of verify.
.PHONY: verify-arithmetic
verify-arithmetic: ## policy/arithmetic is equal to the HPA controller, over random states; ARGS='-seeds 1000000' for more
	@$(STAGE) 'go vet of the comparison' go -C hack/arithmetic vet -trimpath .
	@$(STAGE) 'the arithmetic and the HPA controller' go -C hack/arithmetic test -trimpath -count=1 -timeout 2h . $(ARGS)

.PHONY: verify-copies update-copies
verify-copies: ## deploy/chart/files has what it takes over of deploy
	@$(STAGE) 'copies in the chart' hack/verify/chart.sh verify
update-copies: ## Copy it
	@hack/verify/chart.sh update

# Helm takes 115 s of CPU from an empty cache, so this is a part of conformance, too, and not
# of verify.
.PHONY: verify-chart
verify-chart: helm verify-copies ## helm lint, and the chart makes what kustomize makes, in each variant
	@$(STAGE) 'chart' go test -count=1 -tags e2e -run '^TestChart' ./deploy

# The programs are compiled for it once more, for they are stripped and without paths.
.PHONY: verify-release
verify-release: helm ## What make release makes for this platform is whole, and the same when it is made again
	@$(STAGE) 'go vet of the release' go -C hack/release vet -tags e2e ./...
	@$(STAGE) 'a release, twice' go -C hack/release test -count=1 -tags e2e -timeout 40m ./...
