# The thin front: two commands for people (run, test), a few for those who work on pando.
# What it needs from Debian it installs itself: see scripts/deps.

BUILD ?= build
export BUILD

.PHONY: help run test install deb bench format check sanitize hard tsan valgrind fuzz clean docs
help:
	@echo "make run       build FinFlow and serve it at http://localhost:8080 with demo data"
	@echo "make test      build everything and prove it: unit, wire, system, simulation, browser"
	@echo "make install   the tool and the library for authors, below PREFIX=/usr/local; DESTDIR is obeyed"
	@echo "make deb       the same as a Debian package, here"
	@echo "make sanitize  unit, wire, simulation and system tests (both databases) under AddressSanitizer and UBSan"
	@echo "make hard      the same with tiny buffers, no pools, random wake order, every wait yielding"
	@echo "make tsan      loops, data and a server of two threads under ThreadSanitizer"
	@echo "make valgrind  the unit tests under memcheck"
	@echo "make docs      these pages as HTML, to be read without a network: $(BUILD)/docs/html"
	@echo "make fuzz      the parsers under a fuzzer, TIME=60 seconds each (ONLY=\"json csv\", ENGINE=afl)"
	@echo "make bench     pando beside its peers, in turn, on this machine"
	@echo "make check     layers, formatting, file sizes, pando check on FinFlow"
	@echo "make format    clang-format over the tree"

run:
	@scripts/deps run
	@scripts/build
	@scripts/run

test:
	@scripts/deps test
	@scripts/build -Dtests=enabled
	@scripts/test

install:
	@scripts/deps run
	@scripts/install $(PREFIX)

deb:
	@scripts/deps deb
	@scripts/deb

sanitize:
	@scripts/deps test
	@BUILD=$(BUILD)-asan scripts/build -Db_sanitize=address,undefined -Db_lundef=false
	@BUILD=$(BUILD)-asan scripts/test unit wire strict sim system system-postgres

hard:
	@scripts/deps test
	@BUILD=$(BUILD)-hard scripts/build -Dhard=true -Db_sanitize=address,undefined -Db_lundef=false
	@BUILD=$(BUILD)-hard scripts/test unit wire sim system system-postgres

tsan:
	@scripts/deps test
	@BUILD=$(BUILD)-tsan scripts/build -Db_sanitize=thread -Db_lundef=false
	@BUILD=$(BUILD)-tsan scripts/test tsan

valgrind:
	@scripts/deps valgrind
	@scripts/build
	@scripts/test valgrind

docs:
	@scripts/deps docs
	@scripts/build
	@PANDO_BUILD=$(BUILD) tools/docs/main.py build

fuzz:
	@scripts/deps fuzz
	@scripts/fuzz

bench:
	@scripts/deps bench
	@BUILD=$(BUILD)-release scripts/build -Dbuildtype=release -Db_lto=true
	@BUILD=$(BUILD)-release scripts/bench $(ONLY)

check:
	@tools/layers
	@tools/format --check
	@test -x $(BUILD)/src/cli/pando || scripts/build
	@BUILD=../$(BUILD) $(BUILD)/src/cli/pando check --app finflow

format:
	@tools/format

clean:
	rm -rf build build-*
