PREFIX ?= /usr/local
LUA_LIB_DIR ?= $(PREFIX)/share/lua/5.1
DESTDIR ?=

.PHONY: help build lint test test-all test-rest soak soak-faults demo demo-serve examples bench install clean distclean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: node_modules/.package-lock.json ## compile src/ to lua/
	npm run -s build

lint: node_modules/.package-lock.json ## check style and types, and that lua/ is what src/ compiles to
	npm run -s check:generated # first: it makes the declarations that the TypeScript specs are linted against
	npm run -s lint

test: ## set up, build, and test against real etcds (ONLY="watcher spec/api/kv_spec.lua": these folders and files)
	tools/test $(ONLY)

test-all: ## test everything on each etcd: 3.4, 3.5 and, where Go is installed, 3.6 and 3.7
	tools/test --all

test-rest: ## what test-all has beyond test
	tools/test --rest

soak: ## the long form of the hostile specs: a million cases and more (SOAK=7: a tenth of it)
	tools/setup test
	npm run -s build
	tools/soak

soak-faults: ## the long form of the specs that do harm to members and connections, one after another (SOAK=5)
	tools/setup test
	npm run -s build
	SOAK=$${SOAK:-5} SOAK_PROCESSES=1 tools/soak spec/fault/at_most_once_spec.lua spec/fault/c*_spec.lua \
		spec/fault/outage_spec.lua spec/mirror/faults_spec.lua spec/shared_log/crash_spec.lua spec/shared_log/workers_spec.lua \
		spec/watcher/compaction_spec.lua spec/watcher/disconnect_spec.lua spec/watcher/member_failure_spec.lua

demo: ## set up and show the driver at work against a private etcd
	tools/setup demo
	npm run -s build
	tools/demo

demo-serve: ## the same, and keep serving
	tools/setup demo
	npm run -s build
	tools/demo --serve

examples: ## run what examples/ holds, and check what it answers
	tools/setup demo
	npm run -s build
	node tools/examples.mjs

bench: ## measure
	tools/setup test
	tools/bench

install: ## copy lua/ to LUA_LIB_DIR (default PREFIX/share/lua/5.1), below DESTDIR
	cd lua && find . -type f -exec install -D -m 644 {} "$(DESTDIR)$(LUA_LIB_DIR)/{}" \;

clean: ## stop test beds, remove what the build and the tests leave
	for dir in .bed/*; do [ ! -d "$$dir" ] || node tools/bed.mjs down --dir "$$dir"; done
	rm -rf build .bed t/servroot*

distclean: clean ## and what the set-up fetches
	rm -rf node_modules .cache

node_modules/.package-lock.json: package-lock.json
	npm ci --loglevel=error
	touch $@
