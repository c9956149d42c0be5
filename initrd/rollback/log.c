#include "log.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#define LINE 1024
#define DEADLY(signal) sigaction(signal, &action, NULL)

static const char *log_file;
static const char *mounted;

void log_to(const char *file)
{
	log_file = file;
}

/* The kernel takes one line a write.  Only calls that a signal's handler may make. */
static void write_line(const char *line, size_t length)
{
	int fd = log_file ? open(log_file, O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY | O_CLOEXEC, 0600) : -1;
	ssize_t written = fd < 0 ? -1 : write(fd, line, length);

	if (fd >= 0)
		close(fd);
	/* Without the number in front, which is the kernel's. */
	if (written < 0 && write(STDERR_FILENO, line + 3, length - 3) < 0)
		return;
}

void say(enum level level, const char *format, ...)
{
	char line[LINE];
	va_list arguments;
	int begin = snprintf(line, sizeof line, "<%d>impermanence: ", level);
	int more;

	va_start(arguments, format);
	more = vsnprintf(line + begin, sizeof line - (size_t)begin - 1, format, arguments);
	va_end(arguments);
	if (more < 0)
		return;
	more = begin + more < LINE - 2 ? begin + more : LINE - 2;
	line[more] = '\n';
	write_line(line, (size_t)more + 1);
}

static void give_up(int signal)
{
	static const char line[] = "<2>impermanence: ended in the middle; the next boot puts it right\n";

	(void)signal;
	write_line(line, sizeof line - 1);
	if (mounted)
		umount2(mounted, MNT_DETACH | UMOUNT_NOFOLLOW);
	_exit(0);
}

void on_death_unmount(const char *directory)
{
	struct sigaction action = { .sa_handler = give_up, .sa_flags = (int)SA_RESETHAND };

	mounted = directory;
	DEADLY(SIGSEGV);
	DEADLY(SIGBUS);
	DEADLY(SIGILL);
	DEADLY(SIGFPE);
	DEADLY(SIGABRT);
	DEADLY(SIGSYS);
	DEADLY(SIGTERM);
	DEADLY(SIGINT);
	DEADLY(SIGHUP);
	DEADLY(SIGPIPE);
}

void die(const char *why)
{
	say(CRITICAL, "%s", why);
	give_up(0);
	_exit(0);
}
