# The program of the initrd: one file that needs nothing there.  The package builds it with this file alone;
# COMPILER, where it is set, sees to a compiler.  A file that tests run is replaced in one step.
ROLLBACK := $(wildcard initrd/rollback/*.c)
ROLLBACK_HEADERS := $(wildcard initrd/rollback/*.h initrd/rollback/*.def)
ifeq ($(origin CC),default)
CC := gcc
endif
ROLLBACK_WARNINGS := -std=gnu17 -Wall -Wextra -Wshadow -Wconversion -Wvla -Wstrict-prototypes -Wformat=2 -Werror
ROLLBACK_HARDENING := -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection -Wl,-z,relro,-z,now
ROLLBACK_FLAGS := $(ROLLBACK_WARNINGS) -O2 $(ROLLBACK_HARDENING)

build/impermanence-rollback: $(ROLLBACK) $(ROLLBACK_HEADERS)
	$(COMPILER)
	mkdir -p build
	$(CC) $(ROLLBACK_FLAGS) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -static -s -o $@.new $(ROLLBACK)
	mv $@.new $@

# The same with a look at every access, for the tests.
build/impermanence-rollback.sanitized: $(ROLLBACK) $(ROLLBACK_HEADERS)
	mkdir -p build
	$(CC) $(ROLLBACK_WARNINGS) -g -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all -o $@.new $(ROLLBACK)
	mv $@.new $@
