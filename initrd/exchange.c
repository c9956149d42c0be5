/* exchange A B: two names change places in one step, or nothing happens.
 * mv(1) can do it from coreutils 9.5 on.
 * Status 1: it could not be done; 3: nobody can here, the kernel or the filesystem knows no exchange. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	if (argc != 3) {
		fputs("usage: exchange A B\n", stderr);
		return 2;
	}
	if (renameat2(AT_FDCWD, argv[1], AT_FDCWD, argv[2], RENAME_EXCHANGE) != 0) {
		int unknown = errno == EINVAL || errno == ENOSYS;

		perror("exchange");
		return unknown ? 3 : 1;
	}
	return 0;
}
