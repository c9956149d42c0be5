# What marks the filesystem before the daemon is loaded.  The package builds it with this file alone.
START := start/impermanenced-start.c
include initrd/rollback/rollback.mk

build/impermanenced-start: $(START)
	$(COMPILER)
	mkdir -p build
	$(CC) $(ROLLBACK_FLAGS) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -s -o $@.new $<
	mv $@.new $@
