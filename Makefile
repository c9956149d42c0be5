# Everything here sets up what it needs, as root on Debian 12, and is quick when that is there.

PYTHON := /usr/bin/python3
VENV := .venv
# Debian's own Python packages are the ones users get; the virtual environment sees them.
RUN_PACKAGES := python3 python3-venv python3-pip python3-setuptools python3-wheel python3-gi python3-pydbus python3-btrfsutil \
	python3-systemd python3-watchdog python3-structlog btrfs-progs dbus util-linux
TEST_PACKAGES := acl attr pacman-package-manager dnf dnf-plugins-core busybox-static dash bash shellcheck scdoc man-db systemd gcc libc6-dev dracut-core cpio zstd lz4 xz-utils nix-bin dpkg-dev rpm polkitd zsh fish grub-common tmux libcap2-bin openssl git e2fsprogs
VM_PACKAGES := qemu-system-x86 qemu-utils mmdebstrap busybox-static cpio zstd btrfs-progs lz4 kmod dpkg-dev dmsetup lvm2 cryptsetup-bin
DEB_PACKAGES := build-essential debhelper dh-python pybuild-plugin-pyproject python3-all python3-setuptools scdoc lintian fakeroot \
	python3-gi python3-pydbus python3-btrfsutil python3-systemd
BENCH_PACKAGES := findutils fatrace gcc libc6-dev

# Linters bring libraries of their own, which must not stand before Debian's.
LINT := $(VENV)/lint

# The long stories: every initrd and layout, what a login says, how a boot ends, a day's work judged, a removal.
MACHINES := vm-tests/full/test_matrix.py vm-tests/full/test_alert.py vm-tests/full/test_watch.py \
	vm-tests/full/test_verdicts.py vm-tests/full/test_slow.py vm-tests/full/test_removal.py vm-tests/full/test_declare.py \
	vm-tests/full/test_setup.py vm-tests/full/test_unbooted.py vm-tests/full/test_adopt.py \
	vm-tests/full/test_past.py

# A test that hangs fails by its name, and what it mounted is taken down.
PYTEST := $(VENV)/bin/python -m pytest --timeout 180
PYTEST_FUZZ := $(VENV)/bin/python -m pytest --timeout 3600 --verbose
PYTEST_VM := $(VENV)/bin/python -m pytest --timeout 1200

.DEFAULT_GOAL := help
COMPILER := tools/need gcc libc6-dev
include start/start.mk

.PHONY: help venv demo test test-nix test-newest lint vm-test vm-test-micro vm-test-full vm-test-machines bench fuzz analyze deb deb-trixie clean

help:
	@echo 'make demo | test | test-nix NIXPKGS=PATH | test-newest | vm-test | vm-test-machines | bench [NAME=status] | lint | analyze | fuzz | deb | deb-trixie | venv'

venv: $(VENV)/.stamp

$(VENV)/.stamp: pyproject.toml
	tools/need $(RUN_PACKAGES)
	test -x $(VENV)/bin/python || $(PYTHON) -m venv --system-site-packages $(VENV)
	$(VENV)/bin/pip install --quiet --no-build-isolation --no-deps --config-settings editable_mode=compat --editable .
	$(VENV)/bin/python -m compileall -q impermanenced
	touch $@

$(VENV)/.test-stamp: $(VENV)/.stamp
	tools/need $(TEST_PACKAGES)
	$(VENV)/bin/pip install --quiet 'pytest>=7.2' 'pytest-timeout>=2.1' 'pytest-xdist>=3' 'hypothesis>=6.67' 'jsonschema>=4.10'
	$(VENV)/bin/pip install --quiet --target $(VENV)/tui 'textual>=1'
	touch $@

$(LINT)/.stamp: $(VENV)/.test-stamp
	$(PYTHON) -m venv $(LINT)
	$(LINT)/bin/pip install --quiet 'mypy>=1.8,<2' 'ruff>=0.4,<1'
	touch $@

demo: $(VENV)/.stamp build/impermanence-rollback
	$(VENV)/bin/python tools/demo.py

lint: $(LINT)/.stamp
	$(LINT)/bin/ruff check .
	$(LINT)/bin/mypy --python-executable $(VENV)/bin/python
	tools/lint-shell

# What others publish of paths; a test says what is missing where it cannot be had.
build/public: tools/public-lists $(VENV)/.test-stamp
	mkdir -p build
	tools/public-lists $(CURDIR)/$(VENV)/bin/pip $(CURDIR)/$@ || echo 'public lists: not to be had now' >&2

test: lint build/public
	$(PYTEST) --numprocesses 2 --dist loadgroup tests

# A real NixOS, evaluated and not built.  Without a tree of nixpkgs these tests are skipped.
NIXPKGS :=
IMPERMANENCE :=
PRESERVATION :=
HOME_MANAGER :=
DISKO :=
test-nix: $(VENV)/.test-stamp build/impermanence-rollback
	NIXPKGS=$(NIXPKGS) IMPERMANENCE=$(IMPERMANENCE) PRESERVATION=$(PRESERVATION) HOME_MANAGER=$(HOME_MANAGER) DISKO=$(DISKO) \
		$(PYTEST) --timeout 600 tests/nix

# The unit tests with Python 3.13 and the libraries of Debian 13, in a system that is made once.
test-newest: build/impermanence-rollback
	tools/test-newest

vm-test: vm-test-micro vm-test-full

vm-test-micro: $(VENV)/.test-stamp
	tools/need $(VM_PACKAGES)
	$(PYTEST_VM) vm-tests/micro

vm-test-full: $(VENV)/.test-stamp deb
	tools/need $(VM_PACKAGES)
	$(PYTEST_VM) vm-tests/full $(patsubst %,--ignore=%,$(MACHINES))

vm-test-machines: $(VENV)/.test-stamp deb deb-trixie
	tools/need $(VM_PACKAGES)
	$(PYTEST_VM) $(MACHINES)

bench: $(VENV)/.stamp
	tools/need $(BENCH_PACKAGES)
	$(VENV)/bin/python -m compileall -q impermanenced
	$(VENV)/bin/python -m bench $(NAME)

# What cuts the power at a system call, and what a clock in 1970 is.
build/disturb: tests/shell/disturb.c
	mkdir -p build
	$(CC) -Wall -Wextra -Werror -O2 -static -o $@ $<

# Its parsers as a library that Python loads, and under a fuzzer: make fuzz SECONDS=60
PARSERS := $(addprefix initrd/rollback/,forms.c keyvalue.c log.c memory.c record.c request.c settings.c)

build/parsers.so: tests/fuzz/parsers.c $(PARSERS) $(ROLLBACK_HEADERS)
	mkdir -p build
	$(CC) $(ROLLBACK_WARNINGS) -O2 -shared -fPIC -o $@ $< $(PARSERS)

build/fuzz-parsers: tests/fuzz/parsers.c $(PARSERS) $(ROLLBACK_HEADERS)
	tools/need clang libclang-rt-14-dev
	mkdir -p build
	clang -std=gnu17 -g -O1 -DFUZZER -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -o $@ $< $(PARSERS)

SECONDS := 60
fuzz: build/fuzz-parsers $(VENV)/.test-stamp
	$(VENV)/bin/python -m tests.fuzz.corpus unpack build/corpus
	build/fuzz-parsers -max_len=2000 -artifact_prefix=build/ -max_total_time=$(SECONDS) -dict=tests/fuzz/words -fork=1 -ignore_ooms=0 build/corpus
	$(VENV)/bin/python -m tests.fuzz.corpus pack build/corpus
	FUZZ_TIMES=20 FUZZ_SEED=$$(date +%s) $(PYTEST_FUZZ) tests/fuzz/test_events.py tests/fuzz/test_ledger_files.py tests/bus/test_fuzz.py

# What two compilers see without running it.
analyze:
	tools/need gcc libc6-dev clang
	for file in $(ROLLBACK) $(START); do gcc -std=gnu17 -O2 -fanalyzer -Werror -c -o /dev/null $$file || exit 1; done
	clang --analyze -Werror -std=gnu17 -Xclang -analyzer-werror -Xclang -analyzer-output=text $(ROLLBACK) $(START)

build/clock.so: tests/shell/clock.c
	mkdir -p build
	$(CC) -Wall -Wextra -Werror -O2 -shared -fPIC -o $@ $<

deb:
	tools/need $(DEB_PACKAGES)
	tools/build-deb

# The same, built in a Debian 13, into dist/trixie.
deb-trixie:
	tools/build-deb trixie

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
