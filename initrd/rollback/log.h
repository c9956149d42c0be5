/* What is said: to the kernel's log, which the journal has too. */
#pragma once

enum level { CRITICAL = 2, ERROR = 3, WARNING = 4, NOTICE = 5 };

/* Log to this file; NULL: to the standard error alone. */
void log_to(const char *file);
void say(enum level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Whatever ends the program before its time, the mount goes, and the boot goes on. */
void on_death_unmount(const char *directory);
_Noreturn void die(const char *why);
