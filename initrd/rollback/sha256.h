/* SHA-256 (FIPS 180-4), by which a compiled file is known to be the one that was written. */
#pragma once
#include <stddef.h>

#define SHA256_TEXT 64

/* The digest in small hexadecimal digits. */
void sha256(const void *bytes, size_t size, char text[SHA256_TEXT + 1]);
