/* Small files of the kernel, as text. */
#pragma once

/* The content, of at most 64 KiB; "" when it cannot be read. */
char *text_of(const char *path);
/* Its first line, without the end. */
char *first_line_of(const char *path);
