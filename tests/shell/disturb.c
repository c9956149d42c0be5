/* Run a program, and disturb it at one of its system calls that change something.
 *
 *   disturb TURNS TOP LOG KEY=VALUE... -- PROGRAM ARGUMENT...
 *
 *   before=N after=N   cut: the program ends there, as in a power cut; so does this one, by SIGKILL
 *   sync=1             what the filesystem at TOP has in memory is committed first
 *   fail=N             the call is not made, and answers ENOSPC
 *   deny=TEXT          so does every call whose line in TURNS begins with the text
 *   signal=N           the program gets a SIGSEGV there
 *   fill=N             FILLER (a command in the environment) is run first
 *   renames=1          the kernel cannot exchange two names
 *   mute=1             the kernel does not say which devices a filesystem has
 *
 * The calls, one a line, are written to the file TURNS, or to the descriptor N where it is called fd:N.  What
 * is written to LOG is none. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef __x86_64__
#error "the registers of this machine are not known here"
#endif

#define PATH_SIZE 4096
#define SYSCALL_STOP (SIGTRAP | 0x80)
#define RENAME_EXCHANGE_FLAG 2

static struct {
	long before, after, commit, fail, signal, fill, renames, mute;
} wish;
static const char *top, *log_file, *denied;
static FILE *turns;
static pid_t child;

static void check(bool good, const char *what)
{
	if (good)
		return;
	perror(what);
	exit(125);
}

static void take(const char *word)
{
	const struct {
		const char *key;
		long *value;
	} keys[] = { { "before=", &wish.before }, { "after=", &wish.after }, { "sync=", &wish.commit },
		     { "fail=", &wish.fail },	  { "signal=", &wish.signal }, { "fill=", &wish.fill },
		     { "renames=", &wish.renames }, { "mute=", &wish.mute } };

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		if (strncmp(word, keys[i].key, strlen(keys[i].key)) == 0)
			*keys[i].value = atol(word + strlen(keys[i].key));
	if (strncmp(word, "deny=", 5) == 0)
		denied = word + 5;
}

static void read_text(uint64_t address, char text[PATH_SIZE])
{
	size_t got = 0;

	/* Word by word: the end of a mapping may follow the text. */
	while (got + sizeof(long) < PATH_SIZE) {
		long word;

		errno = 0;
		word = ptrace(PTRACE_PEEKDATA, child, address + got, NULL);
		if (errno != 0)
			break;
		memcpy(text + got, &word, sizeof word);
		if (memchr(text + got, '\0', sizeof word))
			return;
		got += sizeof word;
	}
	text[got] = '\0';
}

static void read_link(uint64_t fd, char path[PATH_SIZE])
{
	char link[64];
	ssize_t length;

	snprintf(link, sizeof link, "/proc/%d/fd/%d", child, (int)fd);
	length = readlink(link, path, PATH_SIZE - 1);
	path[length < 0 ? 0 : length] = '\0';
}

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), size = strlen(end);

	return length >= size && strcmp(text + length - size, end) == 0;
}

/* The name of a call that changes something, NULL of others; `what` says of what. */
static const char *step(const struct __ptrace_syscall_info *info, char what[PATH_SIZE])
{
	const uint64_t *a = info->entry.args;
	uint64_t nr = info->entry.nr;

	what[0] = '\0';
	switch (nr) {
	case SYS_mkdir:
	case SYS_mkdirat:
		read_text(a[nr == SYS_mkdirat], what);
		return "mkdir";
	case SYS_rename:
	case SYS_renameat:
	case SYS_renameat2:
		read_text(a[nr != SYS_rename], what);
		return "rename";
	case SYS_unlink:
	case SYS_unlinkat:
		read_text(a[nr == SYS_unlinkat], what);
		return "unlink";
	case SYS_chmod:
	case SYS_fchmodat:
		read_text(a[nr == SYS_fchmodat], what);
		return "chmod";
	case SYS_mount:
		read_text(a[1], what);
		return a[3] & MS_REMOUNT ? "remount" : "mount";
	case SYS_umount2:
		read_text(a[0], what);
		return "umount";
	case SYS_openat:
		read_text(a[1], what);
		return (a[2] & O_CREAT) && !ends_with(what, "/log") && strncmp(what, "/dev/", 5) != 0 ? "create" : NULL;
	case SYS_write:
		read_link(a[0], what);
		return what[0] == '/' && strncmp(what, "/dev/", 5) && strcmp(what, log_file) &&
				       !strstr(what, "output") && strncmp(what, "/proc/", 6) ?
			       "write" :
			       NULL;
	case SYS_sendfile:
	case SYS_fsync:
	case SYS_syncfs:
		read_link(a[0], what);
		return "write";
	case SYS_ioctl:
		read_link(a[0], what);
		if (a[1] == BTRFS_IOC_SYNC)
			return "commit";
		if (a[1] == BTRFS_IOC_SNAP_CREATE_V2)
			return "snapshot";
		if (a[1] == BTRFS_IOC_SUBVOL_SETFLAGS)
			return "flags";
		if (a[1] == BTRFS_IOC_SNAP_DESTROY || a[1] == BTRFS_IOC_SNAP_DESTROY_V2)
			return "delete";
		return a[1] == BTRFS_IOC_SUBVOL_CREATE_V2 ? "subvolume" : NULL;
	default:
		return NULL;
	}
}

static void commit_now(void)
{
	int fd = open(top, O_RDONLY | O_DIRECTORY);

	if (fd >= 0) {
		ioctl(fd, BTRFS_IOC_SYNC);
		close(fd);
	}
}

static _Noreturn void cut(void)
{
	if (wish.commit)
		commit_now();
	fflush(turns);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	kill(getpid(), SIGKILL);
	exit(125);
}

static void set_registers(bool skip, long answer)
{
	struct user_regs_struct registers;

	check(ptrace(PTRACE_GETREGS, child, NULL, &registers) == 0, "registers");
	if (skip)
		registers.orig_rax = (unsigned long long)-1;
	else
		registers.rax = (unsigned long long)answer;
	check(ptrace(PTRACE_SETREGS, child, NULL, &registers) == 0, "registers");
}

static bool is_denied(const char *name, const char *what)
{
	char line[2 * PATH_SIZE];

	snprintf(line, sizeof line, "%s %s", name, what);
	return denied && strncmp(line, denied, strlen(denied)) == 0;
}

/* The call that begins; what it is to answer instead of being made, 0 when it is made. */
static long begin(const struct __ptrace_syscall_info *info, long *turn, bool *is_step)
{
	char what[PATH_SIZE];
	const char *name = step(info, what);

	if (wish.renames && info->entry.nr == SYS_renameat2 && (info->entry.args[4] & RENAME_EXCHANGE_FLAG))
		return -EINVAL;
	if (wish.mute && info->entry.nr == SYS_ioctl && info->entry.args[1] == BTRFS_IOC_DEV_INFO)
		return -EIO;
	*is_step = name != NULL;
	if (!name)
		return 0;
	++*turn;
	fprintf(turns, "step %s %s\n", name, what);
	fflush(turns);
	if (*turn == wish.before)
		cut();
	if (*turn == wish.fill)
		check(system(getenv("FILLER")) == 0, "filler");
	if (*turn == wish.signal)
		kill(child, SIGSEGV);
	return *turn == wish.fail || is_denied(name, what) ? -ENOSPC : 0;
}

static int follow(void)
{
	struct __ptrace_syscall_info info;
	long turn = 0, answer = 0;
	bool is_step = false;
	int status, signal = 0;

	for (;;) {
		check(ptrace(PTRACE_SYSCALL, child, NULL, signal) == 0, "trace");
		check(waitpid(child, &status, 0) == child, "wait");
		signal = 0;
		if (WIFEXITED(status))
			return WEXITSTATUS(status);
		if (WIFSIGNALED(status))
			return 128 + WTERMSIG(status);
		if (WSTOPSIG(status) != SYSCALL_STOP) {
			signal = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
			continue;
		}
		ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof info, &info);
		if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
			answer = begin(&info, &turn, &is_step);
			if (answer)
				set_registers(true, 0);
		} else if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
			if (answer)
				set_registers(false, answer);
			answer = 0;
			if (is_step && turn == wish.after)
				cut();
			is_step = false;
		}
	}
}

int main(int count, char **arguments)
{
	int i = 4, status;

	check(count > 5, "usage");
	turns = strncmp(arguments[1], "fd:", 3) == 0 ? fdopen(atoi(arguments[1] + 3), "w") :
						       fopen(arguments[1], "we");
	check(turns != NULL, arguments[1]);
	top = arguments[2];
	log_file = arguments[3];
	for (; i < count && strcmp(arguments[i], "--") != 0; i++)
		take(arguments[i]);
	child = fork();
	if (child == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		execv(arguments[i + 1], arguments + i + 1);
		_exit(127);
	}
	check(waitpid(child, &status, 0) == child, "wait");
	check(ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) == 0, "options");
	status = follow();
	fclose(turns);
	return status;
}
