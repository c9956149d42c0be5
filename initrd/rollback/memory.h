/* Words that stay until the program ends. */
#pragma once
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* Room of zeros; it never returns NULL. */
void *keep(size_t size);
char *keep_bytes(const char *bytes, size_t size);
char *words(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *vwords(const char *format, va_list arguments);
/* `list` with room for `count` + 1 things of that size. */
void *grown(void *list, size_t count, size_t size);
